#include "python/errors.h"

namespace diptych::python {
namespace {

PyObject* ExceptionOf(StatusCode code) {
  switch (code) {
    case StatusCode::kNotFound: return PyExc_FileNotFoundError;
    case StatusCode::kIoError:
    case StatusCode::kUnavailable: return PyExc_OSError;
    case StatusCode::kWrongProcess:
    case StatusCode::kCancelled: return PyExc_RuntimeError;
    default: return PyExc_ValueError;
  }
}

[[noreturn]] void RaiseAs(PyObject* exception, const std::string& sentence) {
  const nb::object text = nb::steal(
      PyUnicode_DecodeUTF8(sentence.data(), static_cast<Py_ssize_t>(sentence.size()), "replace"));
  PyErr_SetObject(exception, text.ptr());
  throw nb::python_error();
}

}  // namespace

void Raise(const Status& status) { RaiseAs(ExceptionOf(status.code()), status.ToString()); }
void RaiseTypeError(const std::string& sentence) { RaiseAs(PyExc_TypeError, sentence); }
void RaiseValueError(const std::string& sentence) { RaiseAs(PyExc_ValueError, sentence); }

std::string Utf8(nb::handle text) {
  const nb::object bytes = nb::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogateescape"));
  if (!bytes.is_valid()) {  // surrogates that stand for no byte
    PyErr_Clear();
    const nb::object replaced = nb::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "replace"));
    if (!replaced.is_valid()) throw nb::python_error();
    return {PyBytes_AsString(replaced.ptr()), static_cast<size_t>(PyBytes_Size(replaced.ptr()))};
  }
  return {PyBytes_AsString(bytes.ptr()), static_cast<size_t>(PyBytes_Size(bytes.ptr()))};
}

std::string BytesOf(nb::handle object) {
  Py_buffer view;
  if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
  std::string bytes(static_cast<const char*>(view.buf), static_cast<size_t>(view.len));
  PyBuffer_Release(&view);
  return bytes;
}

std::string TypeName(nb::handle object) {
  return Utf8(nb::object(nb::borrow(object.type()).attr("__qualname__")));
}

}  // namespace diptych::python
