// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace closewatch {

/// What the checks of an engine have come to, since the start.
struct EngineChecks {
  std::uint64_t agree = 0;
  std::uint64_t disagree = 0;
  std::uint64_t undecided = 0;  ///< the pod had gone, or could not be read
};

/// Decides when inet_diag checks what bpf reads, and whose namespace; and what follows. A value.
///
/// A check costs two dumps. All together cost a fifth of what the scans cost, at most. Whose turn
/// it is goes round: those with sockets in CLOSE_WAIT come first in each round. A contradiction is
/// looked for once more, in the next scan and the same namespace; the second one convicts.
class EngineWitness {
 public:
  /// Who may be checked.
  struct Candidate {
    std::string_view uid;
    bool has_close_wait = false;
  };
  /// Whose turn it is, by its place; nullopt: nobody's in this scan. O(n log n).
  std::optional<std::size_t> choose(std::span<const Candidate> candidates);

  /// A scan has cost so much, without its check.
  void scanned(std::chrono::nanoseconds cpu);
  /// What became of the check of a scan: as find_contradiction(), with what it has cost and how
  /// much of that one dump has.
  void checked(std::string_view uid, std::optional<std::string> contradiction,
               std::chrono::nanoseconds cpu, std::chrono::nanoseconds dump);
  /// It came to nothing.
  void undecided(std::string_view uid, std::chrono::nanoseconds cpu);

  /// Why bpf is not to be believed any more; nullopt: it is.
  [[nodiscard]] const std::optional<std::string>& verdict() const { return verdict_; }
  /// How often all have had their turn; the same while one is looked at once more.
  [[nodiscard]] std::uint64_t round() const { return round_; }
  /// What inet_diag takes for one namespace; nullopt: not known yet.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> dump_cpu() const { return dump_cpu_; }
  [[nodiscard]] const EngineChecks& checks() const { return checks_; }

 private:
  [[nodiscard]] bool is_due() const;
  void follow(std::span<const Candidate> candidates);
  void pay(std::chrono::nanoseconds cpu);

  std::map<std::string, std::uint64_t, std::less<>> last_round_;  ///< in which each was checked
  std::uint64_t round_ = 1;
  std::optional<std::string> suspect_;    ///< whose namespace is looked at once more
  std::chrono::nanoseconds allowance_{};  ///< that checks may cost
  std::chrono::nanoseconds expected_{};   ///< what the last one has cost
  std::optional<std::chrono::nanoseconds> dump_cpu_;
  EngineChecks checks_;
  std::optional<std::string> verdict_;
};

}  // namespace closewatch
