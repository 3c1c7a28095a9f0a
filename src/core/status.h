// Status and Result<T> (public, <diptych/status.h>) and the two macros that pass an error on.
#ifndef DIPTYCH_CORE_STATUS_H_
#define DIPTYCH_CORE_STATUS_H_

#include "diptych/status.h"

#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    ::diptych::Status returned_status = (expr);        \
    if (!returned_status.ok()) return returned_status; \
  } while (false)

/// ASSIGN_OR_RETURN(auto x, F()): x = the value of F(), or return its error.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_(DIPTYCH_CONCAT_(result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_(result, lhs, expr) \
  auto result = (expr);                      \
  if (!result.ok()) return result.status();  \
  lhs = std::move(result).value()
#define DIPTYCH_CONCAT_(a, b) DIPTYCH_CONCAT2_(a, b)
#define DIPTYCH_CONCAT2_(a, b) a##b

#endif  // DIPTYCH_CORE_STATUS_H_
