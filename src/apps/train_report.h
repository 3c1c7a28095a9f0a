// A training run as one HTML page: its curves, what it was asked for, and the similarity matrix of a few pairs.
#ifndef DIPTYCH_APPS_TRAIN_REPORT_H_
#define DIPTYCH_APPS_TRAIN_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diptych {

/// Values of one metric by step, in order.
using Curve = std::vector<std::pair<int64_t, double>>;

struct TrainReport {
  std::string title;                                         // "ViT 12x192/8, 64 pixels, and a transformer ..."
  std::vector<std::pair<std::string, std::string>> summary;  // name, value
  std::vector<std::pair<std::string, std::string>> options;  // flag, value
  std::map<std::string, Curve> curves;                       // by metric
  std::string matrix_png;                                    // bytes; empty: none
  std::string matrix_caption;
};

/// The page; it needs no other file and no network.
std::string TrainReportHtml(const TrainReport& report);

std::string Base64(std::string_view bytes);

}  // namespace diptych

#endif  // DIPTYCH_APPS_TRAIN_REPORT_H_
