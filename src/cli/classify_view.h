// How a picture's labels are shown.
#ifndef DIPTYCH_CLI_CLASSIFY_VIEW_H_
#define DIPTYCH_CLI_CLASSIFY_VIEW_H_

#include <string>

#include "diptych/classify.h"

namespace diptych::cli {

struct BarStyle {
  int width = 80;  // columns
  bool color = false;
};

/// The picture's name, then a line a label: name, probability, bar.
std::string ClassificationText(const Classification& result, const BarStyle& style);

/// One object, with its line end.
std::string ClassificationJson(const Classification& result);

/// A line a label: path, rank, label, probability, logit, and rejected where it was asked for.
std::string ClassificationCsv(const Classification& result);
std::string ClassificationCsvHeader(bool with_rejected);

}  // namespace diptych::cli

#endif  // DIPTYCH_CLI_CLASSIFY_VIEW_H_
