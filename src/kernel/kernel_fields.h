#pragma once

#include <span>
#include <string>

#include "closewatch/base/result.h"

struct btf;

namespace closewatch {

/// A field of one of the kernel's structures.
struct KernelField {
  const char* structure;
  const char* field;
};

/// Those that the walk through the kernel's tables reads.
std::span<const KernelField> walked_fields();

/// Whether the kernel that `types` (libbpf's handle of its BTF) is of has them all, wherever they
/// stand, the fields of anonymous members included. kUnsupported names the first that it has not.
Result<void> check_kernel_fields(const ::btf& types);

}  // namespace closewatch
