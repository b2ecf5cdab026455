// SPDX-License-Identifier: Apache-2.0
#include "pods/runtime_program.h"

#include <algorithm>
#include <array>

namespace closewatch {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

std::string_view name_of_file(std::string_view path) {
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace

bool is_sandbox_program(std::string_view path) {
  constexpr std::array<std::string_view, 9> kBeginnings = {"runsc",  // gVisor: sandbox and gofer
                                                           "containerd-shim-kata",
                                                           "kata-",
                                                           "qemu-system-",  // Kata's hypervisors
                                                           "cloud-hypervisor",
                                                           "firecracker",
                                                           "stratovirt",
                                                           "virtiofsd",  // and their file systems
                                                           "nydusd"};
  const auto name = name_of_file(path);
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

bool may_be_runtime_program(std::string_view path) {
  const auto name = name_of_file(path);
  return path.ends_with(kDeleted) || name == "runc" || name == "crun";
}

}  // namespace closewatch
