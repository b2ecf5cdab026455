// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/result.h"

#include <cerrno>
#include <system_error>

namespace closewatch {
namespace {

ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ESRCH:
    case ENODEV:  // a cgroup's files answer so once its directory is being removed
      return ErrorKind::kGone;
    case EACCES:
    case EPERM:
      return ErrorKind::kDenied;
    case EOPNOTSUPP:
      return ErrorKind::kUnsupported;
    default:
      return ErrorKind::kSystem;
  }
}

}  // namespace

tl::unexpected<Error> fail_errno(int error_number, std::string_view doing) {
  std::string what(doing);
  what += ": ";
  what += std::generic_category().message(error_number);
  return fail(kind_of(error_number), std::move(what));
}

}  // namespace closewatch
