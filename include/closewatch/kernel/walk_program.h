#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/kernel/walk_layout.h"

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
  /// Finds the namespace behind request.descriptor, a descriptor of this process. Errors: kSystem.
  virtual Result<void> identify_namespace() = 0;
};

/// What the running kernel says of its own types (BTF).
inline constexpr const char* kKernelTypes = "/sys/kernel/btf/vmlinux";

/// How the program reads the kernel's memory.
enum class WalkReads : std::uint8_t {
  kFastest,   ///< the first of the others that the kernel takes
  kByLoads,   ///< single fields by loads of its own, for which it takes bpf_rdonly_cast()
              ///< (Linux 6.2)
  kByHelper,  ///< by calls of bpf_probe_read_kernel()
};

/// Loads the real one into the kernel. `btf` is a file with the types of the running kernel,
/// kKernelTypes but in tests; so is `reads`.
///
/// Errors are sentences that name what is missing: kUnsupported (the kernel has no BTF, no
/// bpf_loop(), or other fields than the program needs), kDenied (CAP_BPF or CAP_PERFMON, or
/// lockdown), kSystem.
Result<std::unique_ptr<WalkProgram>> load_walk_program(const std::string& btf,
                                                       WalkReads reads = WalkReads::kFastest);

/// Why the kernel did not load it: `error_number` as errno has it, whether it has bpf_loop(), and
/// what its verifier wrote. Pure.
Error load_refusal(int error_number, bool has_loop, std::string_view verifier);

}  // namespace closewatch
