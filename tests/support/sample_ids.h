// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace closewatch::testing {

inline const std::string kContainerA = "a" + std::string(63, '1');
inline const std::string kContainerB = "b" + std::string(63, '1');
inline const std::string kContainerC = "c" + std::string(63, '1');
inline const std::string kPodUid = "0f4e5d6c-7b8a-4910-a2b3-c4d5e6f70819";

}  // namespace closewatch::testing
