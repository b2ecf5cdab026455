// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/comma_separated.h"

namespace closewatch {
namespace {

std::string_view trimmed(std::string_view word) {
  constexpr std::string_view kBlanks = " \t";
  const auto begin = word.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return word.substr(begin, word.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::vector<std::string_view> comma_separated(std::string_view list) {
  std::vector<std::string_view> words;
  if (trimmed(list).empty()) return words;
  while (true) {
    const auto comma = list.find(',');
    words.push_back(trimmed(list.substr(0, comma)));
    if (comma == std::string_view::npos) return words;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace closewatch
