// SPDX-License-Identifier: Apache-2.0
#include "tests/support/capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace closewatch::testing {

void keep_capabilities(std::uint64_t capabilities) {
  constexpr unsigned kBitsEach = 32;
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (auto& part : data) {
    const auto bits = static_cast<__u32>(capabilities);
    part = {.effective = bits, .permitted = bits, .inheritable = 0};
    capabilities >>= kBitsEach;
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "dropping capabilities");
  }
}

}  // namespace closewatch::testing
