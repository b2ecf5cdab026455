// SPDX-License-Identifier: Apache-2.0
#include "closewatch/base/printable.h"

#include <algorithm>

namespace closewatch {

std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace closewatch
