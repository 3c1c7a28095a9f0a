// Zero-shot classification: what is in a picture, from nothing but the names of what might be.
#ifndef DIPTYCH_CLASSIFY_H_
#define DIPTYCH_CLASSIFY_H_

#include <optional>
#include <string>
#include <vector>

#include "diptych/options.h"

namespace diptych {

struct ClassifyOptions {
  std::vector<std::string> labels;       // one a value
  std::vector<std::string> label_lists;  // "a,b,c" each
  std::string labels_file;
  std::string classifier;              // a saved label set, instead of labels
  std::vector<std::string> templates;  // empty: those of template_set, or "a photo of a {}"
  std::string template_set;
  int top = 5;
  std::optional<double> reject;  // below this chance of being on the list, a picture is "rejected"
  std::string save_classifier;

  template <class V>
  void Visit(V&& visit) {
    visit(Field{.name = "label", .help = "a label; repeat for more", .value = "X"}, labels);
    visit(Field{.name = "labels", .help = "labels between commas", .value = "A,B"}, label_lists);
    visit(Field{.name = "labels_file", .help = "a UTF-8 file with a label in each line", .value = "FILE"}, labels_file);
    visit(Field{.name = "classifier",
                .help = "labels that --save-classifier kept; no text tower is needed",
                .value = "FILE"},
          classifier);
    visit(Field{.name = "template",
                .help = "a prompt with {} for the label; repeat to average [a photo of a {}]",
                .value = "T"},
          templates);
    visit(Field{.name = "templates", .help = "a published set of prompts, averaged", .choices = "openai|simple|none"},
          template_set);
    visit(Field{.name = "top", .help = "labels to show of each picture", .value = "K", .min = 1}, top);
    visit(Field{.name = "reject",
                .help = "say when a picture is none of the labels: its chance of being one is below P",
                .value = "P",
                .min = 0,
                .max = 1,
                .implied = 0.5},
          reject);
    visit(Field{.name = "save_classifier", .help = "keep the labels' embeddings for --classifier", .value = "FILE"},
          save_classifier);
  }
};

struct Prediction {
  std::string label;
  double probability = 0;  // softmax over the labels; sigmoid for models with a logit bias
  double logit = 0;        // scale x cosine + bias
};

struct Classification {
  std::string path;                     // as given
  std::vector<Prediction> predictions;  // best first
  std::optional<double> in_list;        // with reject: the chance that the picture is one of the labels
  std::optional<bool> rejected;         // with reject: in_list is below it
};

}  // namespace diptych

#endif  // DIPTYCH_CLASSIFY_H_
