// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// Why a kernel did not load the program, as a sentence: which field, helper, function or part of
/// the program, and the remedy. `error_number` is as errno has it, `log` what libbpf and the
/// kernel's verifier wrote (tools/lib/bpf/libbpf.c, kernel/bpf/verifier.c); it may be cut or empty.
/// kDenied for a privilege, kUnsupported otherwise. Pure.
Error load_refusal(int error_number, std::string_view log);

}  // namespace closewatch
