// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

struct bpf_object;

namespace closewatch {

/// Why an object file was not loaded.
struct BpfRefusal {
  int error_number = 0;  ///< as errno has it
  std::string log;       ///< what libbpf and the kernel's verifier said of it; megabytes, at times
};

/// An object file that clang has made for the kernel, loaded, with its variables mapped. Not
/// thread-safe.
class BpfObject {
 public:
  /// `btf` is a file with the types of the running kernel; empty: the kernel's own. `elf` is not
  /// needed afterwards.
  static tl::expected<BpfObject, BpfRefusal> load(std::span<const std::byte> elf,
                                                  const std::string& btf);

  /// The variable `name`, for as long as this lives: memory that the kernel's program uses, too.
  /// kMalformed when there is none, or of another size than `Variable`.
  template <typename Variable>
  [[nodiscard]] Result<std::reference_wrapper<Variable>> variable(const std::string& name) const {
    const auto bytes = bytes_of(name, sizeof(Variable));
    if (!bytes) return tl::unexpected(bytes.error());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): its layout is what both share
    return std::ref(*reinterpret_cast<Variable*>(*bytes));
  }

  /// Runs the program `name`, of the type raw tracepoint, once, in the calling thread. Errors:
  /// kSystem, kMalformed when there is none.
  [[nodiscard]] Result<void> run(const std::string& name, std::string_view doing) const;

  /// Begins an iteration of the program `name`, of the type iter: what it tells is read from the
  /// descriptor, and it runs in the thread that reads. Errors: kSystem, kMalformed when there is
  /// none.
  [[nodiscard]] Result<UniqueFd> iterate(const std::string& name, std::string_view doing) const;

 private:
  struct Closer {
    void operator()(bpf_object* object) const;
  };
  using Owned = std::unique_ptr<bpf_object, Closer>;
  /// Pages of this process.
  struct Unmapper {
    std::size_t size = 0;
    void operator()(std::byte* memory) const;
  };

  BpfObject(Owned object, std::unique_ptr<std::byte, Unmapper> variables)
      : object_(std::move(object)), variables_(std::move(variables)) {}
  [[nodiscard]] Result<std::byte*> bytes_of(const std::string& name, std::size_t size) const;

  Owned object_;
  std::unique_ptr<std::byte, Unmapper> variables_;  ///< the section .bss
};

}  // namespace closewatch
