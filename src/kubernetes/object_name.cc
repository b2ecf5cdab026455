// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/object_name.h"

#include <algorithm>

namespace closewatch {

bool is_object_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestObjectName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.';
         });
}

}  // namespace closewatch
