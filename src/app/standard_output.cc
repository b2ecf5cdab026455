// SPDX-License-Identifier: Apache-2.0
#include "app/standard_output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

namespace closewatch {

bool print(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) {
    fmt::print(stderr, "closewatch: the output could not be written: {}\n", std::strerror(errno));
  }
  return written;
}

}  // namespace closewatch
