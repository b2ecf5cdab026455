// SPDX-License-Identifier: Apache-2.0
#include "bench/touch_walk.h"

#include <fcntl.h>

#include <stdexcept>
#include <utility>

#include "touch_walk.object.h"

#include "closewatch/base/file.h"
#include "closewatch/bpf/bpf_object.h"
#include "kernel/walk_program.h"

namespace closewatch::bench {
namespace {

/// Where the table is, as the agent's own program finds it.
walk_namespace own_namespace() {
  auto program = load_walk_program();
  if (!program) throw std::runtime_error(program.error().what);
  const auto own = open_at(kWorkingDirectory, "/proc/thread-self/ns/net", O_RDONLY);
  if (!own) throw std::runtime_error(own.error().what);
  auto memory = (*program)->memory();
  memory.request.descriptor = static_cast<walk_u32>(own->get());
  if (const auto found = (*program)->identify_namespace(); !found) {
    throw std::runtime_error(found.error().what);
  }
  return memory.found_namespace;
}

}  // namespace

struct TouchWalk::Loaded {
  BpfObject object;
  walk_namespace space;
};

TouchWalk::TouchWalk() {
  auto object = BpfObject::load(touch_walk_object(), "");
  if (!object) throw std::runtime_error("touch_walk cannot be loaded: " + object.error().log);
  loaded_ = std::make_unique<Loaded>(Loaded{std::move(*object), own_namespace()});
}

TouchWalk::~TouchWalk() = default;

std::uint64_t TouchWalk::run() {
  const auto variable = [this](const char* name) -> std::uint64_t& {
    return loaded_->object.variable<std::uint64_t>(name).value();
  };
  variable("table") = loaded_->space.established;
  variable("buckets") = loaded_->space.established_mask + 1;
  variable("first") = 0;
  variable("sockets") = 0;
  if (const auto run = loaded_->object.run("touch_all", "touching sockets"); !run) {
    throw std::runtime_error(run.error().what);
  }
  return variable("sockets");
}

}  // namespace closewatch::bench
