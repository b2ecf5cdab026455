// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "closewatch/base/result.h"
#include "closewatch/kernel/kernel_fields.h"
#include "kernel/walk_layout.h"

namespace closewatch {

/// The memory that the agent and its program in the kernel share.
struct WalkMemory {
  walk_request& request;
  const walk_answer& answer;
  const walk_namespace& found_namespace;
  std::span<const walk_group> groups;
  std::span<const walk_record> records;
  std::span<walk_port> ports;
};

/// The program that walks the kernel's tables of TCP sockets (src/kernel/bpf/socket_walk.bpf.c):
/// fill in the request, run, read the answer. Not thread-safe; it runs in the calling thread.
class WalkProgram {
 public:
  WalkProgram() = default;
  WalkProgram(const WalkProgram&) = delete;
  WalkProgram& operator=(const WalkProgram&) = delete;
  virtual ~WalkProgram() = default;

  virtual WalkMemory memory() = 0;
  /// Reads buckets of request.table until there is enough for once. Errors: kSystem.
  virtual Result<void> walk_table() = 0;
  /// Tells each socket of the chain in bucket request.first by a record, from its beginning or
  /// where the last run ended, until there is no more room. Errors: kSystem.
  virtual Result<void> walk_chain() = 0;
  /// Finds the namespace behind request.descriptor, a descriptor of this process. Errors: kSystem.
  virtual Result<void> identify_namespace() = 0;
};

/// How the program reads the kernel's memory.
enum class WalkReads : std::uint8_t {
  kFastest,   ///< the first of the others that the kernel takes
  kByLoads,   ///< single fields by loads of its own, for which it takes bpf_rdonly_cast()
              ///< (Linux 6.2)
  kByHelper,  ///< by calls of bpf_probe_read_kernel()
};

/// The two forms of the program as clang made them: object files.
struct WalkObjects {
  std::span<const std::byte> by_loads;
  std::span<const std::byte> by_helper;
};

/// What is loaded; but for tests, all as it stands here.
struct WalkLoading {
  std::string btf = kKernelTypes;  ///< a file with the types of the running kernel
  WalkReads reads = WalkReads::kFastest;
  std::optional<WalkObjects> objects = std::nullopt;  ///< otherwise those that are built in
  /// Gets all that libbpf and the kernel's verifier wrote about a form that was refused, in one
  /// call for each: megabytes, at times.
  std::function<void(const std::string& log)> refused = [](const std::string&) {};
};

/// Loads the real one into the kernel.
///
/// Errors are sentences that name what is missing: kUnsupported (the kernel has no BTF, lacks a
/// helper, or has other fields than the program needs), kDenied (CAP_BPF or CAP_PERFMON, or
/// lockdown), kSystem, kMalformed (an object that is none of this program's).
Result<std::unique_ptr<WalkProgram>> load_walk_program(const WalkLoading& loading = {});

}  // namespace closewatch
