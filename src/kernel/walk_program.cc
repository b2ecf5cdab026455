// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk_program.h"

#include <array>
#include <utility>

#include "socket_walk.object.h"
#include "socket_walk_by_loads.object.h"
#include <bpf/btf.h>

#include "closewatch/bpf/bpf_object.h"
#include "closewatch/bpf/load_refusal.h"
#include "closewatch/kernel/kernel_fields.h"

namespace closewatch {
namespace {

class LoadedProgram final : public WalkProgram {
 public:
  LoadedProgram(BpfObject object, const WalkMemory& memory)
      : object_(std::move(object)), memory_(memory) {}

  WalkMemory memory() override { return memory_; }
  Result<void> walk_table() override {
    return object_.run("walk_table", "walking the kernel's sockets");
  }
  Result<void> walk_chain() override {
    return object_.run("walk_chain", "walking a chain of the kernel's sockets");
  }
  Result<void> identify_namespace() override {
    return object_.run("identify_namespace", "identifying a network namespace");
  }

 private:
  BpfObject object_;
  WalkMemory memory_;
};

/// The memory that the object shares; kMalformed where it is another program's.
Result<WalkMemory> memory_of(const BpfObject& object) {
  const auto request = object.variable<walk_request>("request");
  const auto answer = object.variable<walk_answer>("answer");
  const auto found = object.variable<walk_namespace>("found_namespace");
  const auto groups = object.variable<std::array<walk_group, WALK_GROUPS>>("groups");
  const auto records = object.variable<std::array<walk_record, WALK_RECORDS>>("records");
  const auto ports = object.variable<std::array<walk_port, WALK_PORTS>>("ports");
  if (!request) return tl::unexpected(request.error());
  if (!answer) return tl::unexpected(answer.error());
  if (!found) return tl::unexpected(found.error());
  if (!groups) return tl::unexpected(groups.error());
  if (!records) return tl::unexpected(records.error());
  if (!ports) return tl::unexpected(ports.error());
  return WalkMemory{*request, *answer, *found, groups->get(), records->get(), ports->get()};
}

/// Whether the kernel has the function that reading by loads takes. A program that names another is
/// not loaded, though it calls it nowhere: without CAP_SYS_ADMIN libbpf cannot look for it in
/// modules.
///
/// The types are some 10 MB, and libbpf is to read them once more: they do not outlive this.
Result<bool> check_kernel(const std::string& btf) {
  const auto types = read_kernel_types(btf);
  if (!types) return tl::unexpected(types.error());
  if (auto known = check_kernel_fields(**types, walked_fields()); !known) {
    return tl::unexpected(known.error());
  }
  return btf__find_by_name_kind(types->get(), "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
}

Result<std::unique_ptr<WalkProgram>> load(std::span<const std::byte> elf,
                                          const WalkLoading& loading) {
  // libbpf reads the kernel's own anyway, for what the program calls; not twice, for they are
  // large.
  auto object = BpfObject::load(elf, loading.btf == kKernelTypes ? "" : loading.btf);
  if (!object) {
    loading.refused(object.error().log);
    return tl::unexpected(load_refusal(object.error().error_number, object.error().log));
  }
  const auto memory = memory_of(*object);
  if (!memory) return tl::unexpected(memory.error());
  return std::make_unique<LoadedProgram>(std::move(*object), *memory);
}

}  // namespace

Result<std::unique_ptr<WalkProgram>> load_walk_program(const WalkLoading& loading) {
  const auto has_cast = check_kernel(loading.btf);
  if (!has_cast) return tl::unexpected(has_cast.error());
  if (loading.reads == WalkReads::kByLoads && !*has_cast) {
    return fail(ErrorKind::kUnsupported,
                "this kernel has no bpf_rdonly_cast(), which is of Linux 6.2");
  }
  const auto objects =
      loading.objects.value_or(WalkObjects{socket_walk_by_loads_object(), socket_walk_object()});
  if (*has_cast && loading.reads != WalkReads::kByHelper) {
    // Whether this program may call it is nowhere to be asked.
    auto program = load(objects.by_loads, loading);
    if (program || loading.reads == WalkReads::kByLoads) return program;
  }
  return load(objects.by_helper, loading);
}

}  // namespace closewatch
