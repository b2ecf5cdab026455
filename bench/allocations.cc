// SPDX-License-Identifier: Apache-2.0
#include "bench/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace closewatch::bench {
namespace {

std::atomic<std::uint64_t> count = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

std::uint64_t allocations() { return count; }

}  // namespace closewatch::bench

// NOLINTBEGIN(cppcoreguidelines-no-malloc,misc-new-delete-overloads)
void* operator new(std::size_t size) {
  closewatch::bench::count.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
// NOLINTEND(cppcoreguidelines-no-malloc,misc-new-delete-overloads)
