// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tl/expected.hpp>

#include "closewatch/base/printable.h"

namespace closewatch {

/// What an error means to whoever has to decide what happens next.
enum class ErrorKind {
  kGone,         ///< The process, pod or namespace has ended meanwhile (ENOENT, ESRCH, ENODEV).
  kDenied,       ///< A privilege is missing (EACCES, EPERM).
  kForeign,      ///< It exists, but outside the PID namespace that we see.
  kInterrupted,  ///< The kernel's answer is inconsistent with itself; asking again may help.
  kMalformed,    ///< Bytes that do not follow their format.
  kUnsupported,  ///< This kernel or machine cannot do it.
  kOverLimit,    ///< A pod has more of something than is looked at.
  kHung,         ///< It did not return within the time that it has.
  kSystem,       ///< Any other failed system call.
};

/// One error type for everything below `main`. `what` is a sentence for the log: it names the thing
/// and, where there is one, the remedy. Names and texts of others are in it, and it goes into logs,
/// terminals and JSON: so it is made printable() here, for all.
struct Error {
  Error(ErrorKind meaning, std::string sentence)
      : kind(meaning), what(printable(std::move(sentence))) {}

  ErrorKind kind;
  std::string what;
};

/// A value or an Error, which whoever gets it has to look at: an ignored one does not compile.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  // NOLINTNEXTLINE(google-explicit-constructor): what tl::expected's own functions give is the same
  Result(tl::expected<T, Error> same) : tl::expected<T, Error>(std::move(same)) {}

  /// What `next` makes of the value; an error goes on as it is.
  template <typename Next, typename Value = T>
  auto and_then(Next next) const -> std::invoke_result_t<Next, const Value&> {
    if (this->has_value()) return next(**this);
    return tl::unexpected<Error>(this->error());
  }
};

inline tl::unexpected<Error> fail(ErrorKind kind, std::string what) {
  return tl::unexpected<Error>(Error{kind, std::move(what)});
}

/// An Error out of an errno value: `doing` says what was attempted ("opening /proc/7/ns/net").
tl::unexpected<Error> fail_errno(int error_number, std::string_view doing);

}  // namespace closewatch
