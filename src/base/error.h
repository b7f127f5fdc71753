// The one error type of the project, and the result of a call that can fail.
//
// An Error is a value: a code that a face turns into an exit status or an HTTP status, WHAT was attempted and
// WHY it could not be done, each one line without a full stop. The library never prints and never aborts on
// input.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace pellucid {

enum class ErrorCode {
  kUsage,        // a setting or argument is wrong: exit status 2, HTTP 400
  kNotFound,     // a file or a name does not exist
  kIo,           // the operating system refused a read or a write
  kBadModel,     // a model file is damaged or contradicts itself
  kBadTrace,     // a trace is damaged, or contradicts itself or the run that it is held against
  kUnsupported,  // well formed, but not something this version runs
  kContext,      // the tokens do not fit the context
  kNumeric,      // NaN or infinity where a number is needed
  kLimit,        // a bound on time, memory or depth was reached
};

struct Error {
  ErrorCode code;
  std::string what;
  std::string why;

  /// "WHAT: WHY", the form that follows `pellucid: error: `.
  [[nodiscard]] std::string message() const { return what + ": " + why; }
};

/// Either a T or an Error. Read with value() only after ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(state_); }
  [[nodiscard]] const Error& error() const { return *std::get_if<Error>(&state_); }
  [[nodiscard]] T& value() & { return *std::get_if<T>(&state_); }
  [[nodiscard]] const T& value() const& { return *std::get_if<T>(&state_); }
  [[nodiscard]] T&& value() && { return std::move(*std::get_if<T>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return !failed_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_{};
  bool failed_ = false;
};

}  // namespace pellucid

// A function cannot return from its caller, so these two are macros.
#define PELLUCID_CONCAT_(a, b) a##b
#define PELLUCID_CONCAT(a, b) PELLUCID_CONCAT_(a, b)

/// PELLUCID_TRY(auto x, f()): x becomes the value of f(), or the error is returned to the caller.
#define PELLUCID_TRY(declaration, expression) \
  PELLUCID_TRY_(PELLUCID_CONCAT(result_, __LINE__), declaration, expression)
#define PELLUCID_TRY_(name, declaration, expression) \
  auto name = (expression);                          \
  if (!name.ok()) return name.error();               \
  declaration = std::move(name).value()

/// PELLUCID_CHECK(f()): returns the error of f(), a Result<void>, to the caller.
#define PELLUCID_CHECK(expression) \
  if (auto check_result = (expression); !check_result.ok()) return check_result.error()
