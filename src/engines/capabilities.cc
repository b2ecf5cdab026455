// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/capabilities.h"

#include <linux/capability.h>

#include <algorithm>

#include "closewatch/base/file.h"
#include "closewatch/base/whole_number.h"

namespace closewatch {
namespace {

bool has(std::uint64_t effective, unsigned capability) {
  return ((effective >> capability) & 1U) != 0;
}

}  // namespace

Result<std::uint64_t> parse_effective_capabilities(std::string_view status) {
  constexpr std::string_view kField = "\nCapEff:";
  constexpr int kHexadecimal = 16;
  const auto field = status.find(kField);
  if (field == std::string_view::npos) {
    return fail(ErrorKind::kMalformed, "/proc/PID/status has no CapEff");
  }
  auto text = status.substr(field + kField.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const auto bits = take_number<std::uint64_t>(text, kHexadecimal);
  if (!bits) return fail(ErrorKind::kMalformed, "CapEff is no number");
  return *bits;
}

std::vector<std::string> missing_capabilities(Engine engine, std::uint64_t effective) {
  std::vector<std::string> missing;
  if (engine == Engine::kProcfs) return missing;
  if (engine == Engine::kInetDiag && !has(effective, CAP_SYS_ADMIN)) {
    missing.emplace_back(
        "CAP_SYS_ADMIN is missing: no network namespace but the agent's own can be entered, so "
        "pods have visible=0 with reason=denied; add SYS_ADMIN to the container's capabilities, "
        "run as root, or take the engine bpf or procfs");
  }
  if (!has(effective, CAP_SYS_PTRACE)) {
    missing.emplace_back(
        "CAP_SYS_PTRACE is missing: other users' processes do not tell their network namespace, so "
        "pods have visible=0 with reason=denied; add SYS_PTRACE to the container's capabilities, "
        "run as root, or take the engine procfs");
  }
  return missing;
}

std::vector<std::string> missing_capabilities(Engine engine) {
  std::string status;
  if (!read_file_at(kWorkingDirectory, "/proc/thread-self/status", status)) return {};
  const auto effective = parse_effective_capabilities(status);
  return effective ? missing_capabilities(engine, *effective) : std::vector<std::string>{};
}

}  // namespace closewatch
