// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace closewatch::bench {

using Seconds = std::chrono::duration<double>;

struct Cost {
  Seconds cpu{};
  Seconds wall{};
};

/// CPU time, user and kernel, of this process (RUSAGE_SELF) or of its ended children
/// (RUSAGE_CHILDREN).
Seconds cpu_of(int who);

/// The median of some runs by CPU time; at least one, more as long as they are short. Not the
/// cheapest: in a virtual machine the kernel guesses how much time its host has stolen, and now and
/// then takes off more than that.
Cost median(int who, const std::function<void()>& work);

/// The same of several kinds of work, taking turns, so that what disturbs one disturbs all.
std::vector<Seconds> median_of_each(const std::vector<std::function<void()>>& works);

std::string milliseconds(Seconds seconds);

}  // namespace closewatch::bench
