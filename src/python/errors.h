// A Status as an exception of Python, and the small change of talking to it.
#ifndef DIPTYCH_PYTHON_ERRORS_H_
#define DIPTYCH_PYTHON_ERRORS_H_

#include <nanobind/nanobind.h>

#include <string>
#include <utility>

#include "diptych/status.h"

namespace diptych::python {

namespace nb = nanobind;

/// With the library's sentence. kNotFound: FileNotFoundError; kIoError and kUnavailable: OSError; kWrongProcess and
/// kCancelled: RuntimeError; what the caller can put right by other arguments or files: ValueError.
[[noreturn]] void Raise(const Status& status);
[[noreturn]] void RaiseTypeError(const std::string& sentence);
[[noreturn]] void RaiseValueError(const std::string& sentence);

template <class T>
T Unwrap(Result<T> result) {
  if (!result.ok()) Raise(result.status());
  return std::move(*result);
}

/// The bytes of a str in UTF-8; lone surrogates, as os.fsdecode makes them, become the bytes they stand for.
/// REQUIRES: a str.
std::string Utf8(nb::handle text);

/// A copy of the bytes of what has the buffer protocol.
std::string BytesOf(nb::handle object);

std::string TypeName(nb::handle object);

}  // namespace diptych::python

#endif  // DIPTYCH_PYTHON_ERRORS_H_
