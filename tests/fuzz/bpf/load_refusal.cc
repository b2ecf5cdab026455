// SPDX-License-Identifier: Apache-2.0
#include "closewatch/bpf/load_refusal.h"

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {

/// A byte for the error number, then the log of libbpf and of the kernel's verifier.
void attempt(std::string_view input) {
  const int error_number = take_byte(input);
  const auto refusal = load_refusal(error_number, input);
  require(refusal.kind == ErrorKind::kDenied || refusal.kind == ErrorKind::kUnsupported,
          "a refusal is for want of a privilege, or of something in the kernel");
  require(!refusal.what.empty() && is_printable(refusal.what), "its sentence is fit for a log");
}

}  // namespace closewatch::fuzz
