// The classes of a labelled data set.
#ifndef DIPTYCH_TRAIN_CLASSES_H_
#define DIPTYCH_TRAIN_CLASSES_H_

#include <span>
#include <string>
#include <vector>

#include "core/status.h"

namespace diptych::train {

struct ClassName {
  std::string name;    // "accordion", for the "{}" of a template
  std::string phrase;  // "an accordion"; empty where the source has none
};

/// A tab-separated table with a column `name` and, optionally, `phrase` and `label` (which must count the rows from 0).
/// Errors: no such column, a row without a name, labels out of order, no rows.
Result<std::vector<ClassName>> ReadClasses(const std::string& path);

/// The table that belongs to a shard by its name: for "cifar10-test-000000.tar" the first there is beside it of
/// cifar10-test-000000.classes.tsv, cifar10-test.classes.tsv, cifar10.classes.tsv, classes.tsv. Empty: there is none.
std::string FindClasses(const std::string& shard);

/// The name in each of the templates: what is said about a picture of that class.
std::vector<std::string> FillTemplates(std::span<const std::string> templates, const std::string& name);

}  // namespace diptych::train

#endif  // DIPTYCH_TRAIN_CLASSES_H_
