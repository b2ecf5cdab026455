// SPDX-License-Identifier: Apache-2.0
/// In libFuzzer's place, where that is not: tries every file of a directory once.

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

void replay(const std::filesystem::path& input) {
  std::cerr << input.string() << std::endl;
  std::ifstream file(input, std::ios::binary);
  std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  bytes.shrink_to_fit();  // so that AddressSanitizer sees who reads past the end
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const std::filesystem::directory_iterator corpus(count > 1 ? arguments[1] : "");
    for (const auto& input : corpus) replay(input.path());
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "usage: fuzz_PARSER DIRECTORY: " << error.what() << std::endl;
    return 1;
  }
}
