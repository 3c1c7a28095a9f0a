// CHECK: for our own bugs, never for bad input. A failed check prints its condition, both values and aborts.
#ifndef DIPTYCH_CORE_CHECK_H_
#define DIPTYCH_CORE_CHECK_H_

#include <sstream>
#include <string>

namespace diptych::internal {

/// Collects the message of a failed CHECK and aborts at the end of the full expression.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

struct Voidify {  // gives both arms of CHECK's conditional the type void
  void operator&(std::ostream&) const {}
};

}  // namespace diptych::internal

#define CHECK(condition) \
  (condition)            \
      ? (void)0          \
      : ::diptych::internal::Voidify() & ::diptych::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()
#define CHECK_OP_(a, op, b) CHECK((a)op(b)) << " (" << (a) << " vs " << (b) << ") "
#define CHECK_EQ(a, b) CHECK_OP_(a, ==, b)
#define CHECK_NE(a, b) CHECK_OP_(a, !=, b)
#define CHECK_LT(a, b) CHECK_OP_(a, <, b)
#define CHECK_LE(a, b) CHECK_OP_(a, <=, b)
#define CHECK_GT(a, b) CHECK_OP_(a, >, b)
#define CHECK_GE(a, b) CHECK_OP_(a, >=, b)

#endif  // DIPTYCH_CORE_CHECK_H_
