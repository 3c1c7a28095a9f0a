// What comes before the towers, for the processor and for the model that has one.
#ifndef DIPTYCH_PYTHON_TEXTS_H_
#define DIPTYCH_PYTHON_TEXTS_H_

#include <nanobind/nanobind.h>

#include <string>
#include <vector>

#include "diptych/processor.h"

namespace diptych::python {

namespace nb = nanobind;

/// A str, or an iterable of them. Errors: TypeError that says what was given.
std::vector<std::string> TextsOf(nb::handle given, bool* single);

/// list[int] of one text, list[list[int]] of several.
nb::object Tokenize(const Processor& processor, nb::handle texts, bool truncate);
/// (N, 3, S, S); (3, S, S) of one picture unless `always_rows`.
nb::object Pixels(const Processor& processor, nb::handle pictures, bool always_rows);

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_TEXTS_H_
