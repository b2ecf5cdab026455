// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "closewatch/bpf/load_refusal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

namespace closewatch {
namespace {

/// What stands between the last `before` and the next `after` on the same line.
std::optional<std::string> between(std::string_view log, std::string_view before,
                                   std::string_view after) {
  const auto found = log.rfind(before);
  if (found == std::string_view::npos) return std::nullopt;
  auto rest = log.substr(found + before.size());
  rest = rest.substr(0, rest.find('\n'));
  const auto end = rest.find(after);
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  return std::string(rest.substr(0, end));
}

bool contains(std::string_view log, std::string_view words) {
  return log.find(words) != std::string_view::npos;
}

/// The helpers that the program calls, by the number that a kernel which lacks them calls them by
/// (include/uapi/linux/bpf.h).
struct Helper {
  std::string_view number;
  std::string_view name;
  std::string_view since;
};
constexpr std::array kHelpers = {
    Helper{"5", "bpf_ktime_get_ns", "4.1"},
    Helper{"35", "bpf_get_current_task", "4.8"},
    Helper{"113", "bpf_probe_read_kernel", "5.5"},
    Helper{"118", "bpf_jiffies64", "5.6"},
    Helper{"127", "bpf_seq_write", "5.8"},
    Helper{"137", "bpf_skc_to_tcp_sock", "5.9"},
    Helper{"158", "bpf_get_current_task_btf", "5.11"},
    Helper{"162", "bpf_sock_from_file", "5.11"},
    Helper{"181", "bpf_loop", "5.17"},
};

/// `called` is what the verifier calls it: name#number, "unknown" for a name that it has not.
std::string helper(std::string_view called) {
  const auto hash = called.find('#');
  const auto number = called.substr(hash + 1);
  const auto* const known =
      std::find_if(kHelpers.begin(), kHelpers.end(),
                   [&](const Helper& candidate) { return candidate.number == number; });
  if (known == kHelpers.end()) return "helper " + std::string(called);
  return std::string(known->name) + "(), which is of Linux " + std::string(known->since);
}

std::optional<std::string> missing_helper(std::string_view log) {
  for (const std::string_view words : {"invalid func ", "unknown func "}) {
    const auto begin = log.rfind(words);
    if (begin == std::string_view::npos) continue;
    const auto called = log.substr(begin + words.size());
    return "this kernel has no " + helper(called.substr(0, called.find_first_of("\n ")));
  }
  const std::string_view words = "cannot use helper ";
  const auto begin = log.rfind(words);
  if (begin == std::string_view::npos) return std::nullopt;
  const auto called = log.substr(begin + words.size());
  return "this kernel lets no program of this kind call " +
         helper(called.substr(0, called.find_first_of("\n ")));
}

std::optional<std::string> missing_function(std::string_view log) {
  if (const auto name = between(log, "extern (func ksym) '", "'")) {
    const bool other =
        contains(log, "' incompatible with") || contains(log, "incompatible with kernel");
    return other ? "this kernel's function " + *name +
                       "() takes other arguments than the program gives"
                 : "this kernel has no function " + *name + "()";
  }
  if (const auto name = between(log, "calling kernel function ", " is not allowed")) {
    return "this kernel lets no program of this kind call " + *name + "()";
  }
  return std::nullopt;
}

std::optional<std::string> missing_field(std::string_view log) {
  const auto field = between(log, "failed to resolve CO-RE relocation <", " (");
  if (!field) return std::nullopt;
  // "byte_off> [47] struct sock_common.skc_nulls_node"
  const auto bracket = field->find("] ");
  const auto name = bracket == std::string::npos ? *field : field->substr(bracket + 2);
  // Said before of the same instruction, by bpf_core_patch_insn().
  const bool joined = contains(log, "accesses field incorrectly") ||
                      contains(log, "unexpected insn") || contains(log, "unrecognized insn");
  if (joined) {
    return "the compiler that made the program reads " + name +
           " in a way that libbpf cannot move to where this kernel has it; build with another clang";
  }
  return "this kernel has no " + name;
}

/// The verifier's own last words, before its statistics; of which part of the program.
std::string verdict(std::string_view log, int error_number) {
  std::string what = "the kernel refuses the program";
  const auto said = log.rfind("': BPF program load failed");
  const auto quote = said == std::string_view::npos ? said : log.substr(0, said).rfind('\'');
  if (quote != std::string_view::npos) {
    what += "'s part " + std::string(log.substr(quote + 1, said - quote - 1));
  }
  const auto end = log.rfind("\nprocessed ");
  if (end != std::string_view::npos) {
    const auto begin = log.rfind('\n', end - 1);
    const auto start = begin == std::string_view::npos ? 0 : begin + 1;
    return what + ": " + std::string(log.substr(start, end - start));
  }
  return what + ": " + std::strerror(error_number);
}

/// The last that libbpf itself said, but for its words on the file as a whole.
std::optional<std::string> words_of_libbpf(std::string_view log) {
  constexpr std::string_view kBegin = "libbpf: ";
  while (!log.empty()) {
    if (log.back() == '\n') log.remove_suffix(1);
    const auto line_start = log.rfind('\n');
    const auto line = line_start == std::string_view::npos ? log : log.substr(line_start + 1);
    if (line.substr(0, kBegin.size()) == kBegin && !contains(line, "failed to load object")) {
      return "libbpf cannot load the program: " + std::string(line.substr(kBegin.size()));
    }
    if (line_start == std::string_view::npos) break;
    log = log.substr(0, line_start);
  }
  return std::nullopt;
}

}  // namespace

Error load_refusal(int error_number, std::string_view log) {
  const bool verified = contains(log, "-- BEGIN PROG LOAD LOG --");
  // The verifier's refusals are EACCES as well, but those have something to say.
  if (error_number == EPERM || (error_number == EACCES && !verified)) {
    return {
        ErrorKind::kDenied,
        "the kernel lets this process load no program: CAP_BPF or CAP_PERFMON is missing; add BPF "
        "and PERFMON to the container's capabilities, or run as root"};
  }
  for (const auto find : {missing_field, missing_function, missing_helper}) {
    if (auto what = find(log)) return {ErrorKind::kUnsupported, std::move(*what)};
  }
  if (!verified) {
    if (auto what = words_of_libbpf(log)) return {ErrorKind::kUnsupported, std::move(*what)};
  }
  return {ErrorKind::kUnsupported, verdict(log, error_number)};
}

}  // namespace closewatch
