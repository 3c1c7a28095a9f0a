// What went wrong, for every call that can fail on bad input. The library never throws, prints or exits.
#ifndef DIPTYCH_STATUS_H_
#define DIPTYCH_STATUS_H_

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace diptych {

enum class StatusCode {
  kOk,
  kInvalidArgument,  // the caller asked for something that makes no sense
  kNotFound,         // a file, model or name does not exist
  kCorrupt,          // bytes that contradict their format
  kUnsupported,      // well-formed, but not something this build can do
  kLimitExceeded,    // larger than a stated limit
  kIoError,          // the operating system refused
  kUnavailable,      // the network, or something beyond it, did not answer
  kCancelled,        // the caller asked for an end
  kWrongProcess,     // the process is a fork of the one that computed before
};

/// A cheap value: OK is a null pointer. An error says where (a path, a field), what, and what to do about it.
class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string where, std::string what, std::string hint = "")
      : rep_(std::make_shared<const Rep>(Rep{code, std::move(where), std::move(what), std::move(hint)})) {}

  static Status Ok() { return Status(); }

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  const std::string& where() const { return rep_ ? rep_->where : Empty(); }
  const std::string& what() const { return rep_ ? rep_->what : Empty(); }
  const std::string& hint() const { return rep_ ? rep_->hint : Empty(); }

  /// One line: "where: what; hint". Paths and names come from outside, so control characters are replaced by '?'.
  std::string ToString() const {
    if (ok()) return "ok";
    std::string line = rep_->where.empty() ? rep_->what : rep_->where + ": " + rep_->what;
    if (!rep_->hint.empty()) line += "; " + rep_->hint;
    for (char& c : line) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return line;
  }

  /// The same error seen from further out: `where` is put before the place it already names.
  Status Within(const std::string& outer) const {
    if (ok()) return *this;
    return Status(rep_->code, rep_->where.empty() ? outer : outer + ": " + rep_->where, rep_->what, rep_->hint);
  }

 private:
  struct Rep {
    StatusCode code;
    std::string where, what, hint;
  };
  static const std::string& Empty() {
    static const std::string empty;
    return empty;
  }
  std::shared_ptr<const Rep> rep_;
};

inline Status InvalidArgument(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kInvalidArgument, std::move(where), std::move(what), std::move(hint));
}
inline Status NotFound(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kNotFound, std::move(where), std::move(what), std::move(hint));
}
inline Status Corrupt(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kCorrupt, std::move(where), std::move(what), std::move(hint));
}
inline Status Unsupported(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kUnsupported, std::move(where), std::move(what), std::move(hint));
}
inline Status LimitExceeded(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kLimitExceeded, std::move(where), std::move(what), std::move(hint));
}
inline Status IoError(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kIoError, std::move(where), std::move(what), std::move(hint));
}
inline Status Unavailable(std::string where, std::string what, std::string hint = "") {
  return Status(StatusCode::kUnavailable, std::move(where), std::move(what), std::move(hint));
}

inline Status Cancelled(std::string where) { return Status(StatusCode::kCancelled, std::move(where), "was stopped"); }

/// A value or the reason why there is none. Taking the value of an error aborts, and so does making a Result from
/// Status::Ok(): both are bugs of the caller.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit, so that `return value;` works
  Result(Status status) : status_(std::move(status)) {   // NOLINT: implicit, so that `return status;` works
    if (status_.ok()) Die("a Result was made from Status::Ok(): it needs a value");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & { return Checked(), *value_; }
  const T& value() const& { return Checked(), *value_; }
  T&& value() && { return Checked(), std::move(*value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void Checked() const {
    if (!ok()) Die("the value of an error was taken: " + status_.ToString());
  }
  [[noreturn]] static void Die(const std::string& reason) {
    std::fprintf(stderr, "diptych: %s\n", reason.c_str());
    std::abort();
  }
  Status status_;
  std::optional<T> value_;
};

}  // namespace diptych

#endif  // DIPTYCH_STATUS_H_
