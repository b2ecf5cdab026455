// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  closewatch::fuzz::attempt({reinterpret_cast<const char*>(data), size});
  return 0;
}
