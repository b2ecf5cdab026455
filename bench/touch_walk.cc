#include "bench/touch_walk.h"

#include <fcntl.h>

#include <stdexcept>

#include "touch_walk.skel.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "closewatch/base/file.h"
#include "closewatch/kernel/walk_program.h"

namespace closewatch::bench {
namespace {

/// Where the table is, as the agent's own program finds it.
walk_namespace own_namespace() {
  auto program = load_walk_program("/sys/kernel/btf/vmlinux");
  if (!program) throw std::runtime_error(program.error().what);
  const auto own = open_at(kWorkingFolder, "/proc/thread-self/ns/net", O_RDONLY);
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
  touch_walk_bpf* skeleton = touch_walk_bpf__open_and_load();
  walk_namespace space = own_namespace();
};

TouchWalk::TouchWalk() : loaded_(std::make_unique<Loaded>()) {
  if (loaded_->skeleton == nullptr) throw std::runtime_error("touch_walk cannot be loaded");
}

TouchWalk::~TouchWalk() { touch_walk_bpf__destroy(loaded_->skeleton); }

std::uint64_t TouchWalk::run() {
  auto& shared = *loaded_->skeleton->bss;
  shared.table = loaded_->space.established;
  shared.buckets = loaded_->space.established_mask + 1;
  shared.first = 0;
  shared.sockets = 0;
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  if (bpf_prog_test_run_opts(bpf_program__fd(loaded_->skeleton->progs.touch_all), &options) < 0) {
    throw std::runtime_error("touch_walk cannot be run");
  }
  return shared.sockets;
}

}  // namespace closewatch::bench
