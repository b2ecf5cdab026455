// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

namespace closewatch::bench {

/// Goes once to each bucket and socket of the kernel's table (touch_walk.bpf.c). Throws when it
/// cannot be loaded.
class TouchWalk {
 public:
  TouchWalk();
  TouchWalk(const TouchWalk&) = delete;
  TouchWalk& operator=(const TouchWalk&) = delete;
  TouchWalk(TouchWalk&&) = delete;
  TouchWalk& operator=(TouchWalk&&) = delete;
  ~TouchWalk();

  /// How many sockets it met.
  std::uint64_t run();

 private:
  struct Loaded;
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace closewatch::bench
