// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "closewatch/scan/snapshot.h"

namespace closewatch {

/// Pods that share namespace and name: one ends while its successor starts. Whoever asks by name
/// gets them as one.
using Namesakes = std::span<const PodSnapshot>;

/// Those of that name, empty when there is none. O(log pods), as a snapshot is sorted.
Namesakes find_namesakes(const Snapshot& snapshot, std::string_view pod_namespace,
                         std::string_view name);

/// Whether namesakes together were counted: a predecessor that has no process any more costs its
/// successor nothing, any other gap would make the sum wrong.
Visibility visibility_of(Namesakes pods);

}  // namespace closewatch
