// SPDX-License-Identifier: Apache-2.0
#include "systemd/environment.h"

#include <unistd.h>

#include <cstdlib>

#include "closewatch/base/whole_number.h"

namespace closewatch {

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread yet
  return value == nullptr ? "" : value;
}

bool is_for_this_program(const char* pid_variable, bool unless_said) {
  const auto whose = variable(pid_variable);
  if (whose.empty()) return unless_said;
  const auto pid = whole_number<pid_t>(whose);
  return pid == ::getpid() || pid == ::getppid();
}

}  // namespace closewatch
