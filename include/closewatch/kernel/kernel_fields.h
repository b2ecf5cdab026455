// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>

#include "closewatch/base/result.h"

struct btf;

namespace closewatch {

/// What the running kernel says of its own types (BTF).
inline constexpr const char* kKernelTypes = "/sys/kernel/btf/vmlinux";

struct KernelTypesCloser {
  void operator()(::btf* types) const;
};
using KernelTypes = std::unique_ptr<::btf, KernelTypesCloser>;
/// Reads the types in a file: some 10 MB. kUnsupported when they cannot be had.
Result<KernelTypes> read_kernel_types(const std::string& file = kKernelTypes);

/// A field of one of the kernel's structures.
struct KernelField {
  const char* structure;
  const char* field;
};

/// Those that the walk through the kernel's tables reads.
std::span<const KernelField> walked_fields();

/// Those that looking for held sockets reads.
std::span<const KernelField> held_fields();

/// Whether the kernel that `types` (libbpf's handle of its BTF) is of has all these fields,
/// wherever they stand, those of anonymous members included. kUnsupported names the first that it
/// has not.
Result<void> check_kernel_fields(const ::btf& types, std::span<const KernelField> fields);

}  // namespace closewatch
