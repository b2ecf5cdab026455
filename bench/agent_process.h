// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "closewatch/http/client.h"

namespace closewatch::bench {

/// Starts a command with its output thrown away.
pid_t spawn(std::vector<std::string> words);

/// How an agent is to scan.
struct AgentPace {
  std::string engine = "inet_diag";
  std::string interval = "1s";
  std::string cpu_budget = "1";
};

/// A `closewatch serve` of its own, on a port of its own.
class AgentProcess {
 public:
  explicit AgentProcess(const std::string& binary, const AgentPace& pace = {});
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;
  AgentProcess(AgentProcess&&) = delete;
  AgentProcess& operator=(AgentProcess&&) = delete;
  ~AgentProcess();

  /// A connection to it, once it has done a scan.
  static http::Connection connect_when_ready();
  /// One whole answer over a connection that is kept alive, packed as Prometheus gets it.
  static std::string get(http::Connection& connection, const std::string& path);
  /// Returns after so many more scans, with a scrape after each.
  static void wait_for_scans(http::Connection& connection, std::size_t scans);

  /// The value of a metric without labels.
  static double metric(http::Connection& connection, const std::string& name);

  /// "VmRSS", "VmHWM" … of /proc/PID/status, of both its processes: what they share counts twice.
  [[nodiscard]] double mebibytes(const std::string& what) const;

 private:
  pid_t pid_;
};

}  // namespace closewatch::bench
