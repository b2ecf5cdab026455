// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>

/// What libFuzzer calls, and replay.cc.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// What each target in tests/fuzz is made of.
namespace closewatch::fuzz {

/// A target's own: hands `input` to a parser, and requires what must hold whatever it is.
void attempt(std::string_view input);

/// Ends the program, which is a finding, unless it holds.
inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::cerr << "this must hold, and does not: " << what << std::endl;
  std::abort();
}

/// Takes the byte that `input` begins with; 0 at its end.
inline std::uint8_t take_byte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  return byte;
}

/// Whether a line of it can go into a log, a terminal and JSON.
inline bool is_printable(std::string_view text) {
  return text.find_first_not_of(
             " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
             "abcdefghijklmnopqrstuvwxyz{|}~") == std::string_view::npos;
}

}  // namespace closewatch::fuzz
