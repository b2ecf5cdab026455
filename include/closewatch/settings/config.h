// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "closewatch/diagnosis/diagnosis.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/http/host_names.h"
#include "closewatch/http/listen_address.h"
#include "closewatch/metrics/metric_filter.h"
#include "closewatch/pods/node_pods.h"
#include "closewatch/scan/namespace_filter.h"

namespace closewatch {

/// Where the names of pods come from.
enum class MetadataChoice : std::uint8_t {
  kAuto,  ///< the API server, where a service account's token and the node's name are given
  kApi,
  kLogs,
};

/// What is to read the sockets.
enum class EngineChoice : std::uint8_t {
  kAuto,  ///< the cheapest that works here
  kInetDiag,
  kBpf,
  kProcfs,
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

/// What the agent can be told. The member names are those of the options, see option_table.h, which
/// also holds the defaults.
struct Config {
  struct {
    std::chrono::nanoseconds interval{};
    double cpu_budget = 0;                                 ///< CPU seconds per second
    std::optional<std::chrono::nanoseconds> max_interval;  ///< nullopt: see longest_interval()
    EngineChoice engine{};

    /// Beyond it the budget gives way.
    [[nodiscard]] std::chrono::nanoseconds longest_interval() const {
      constexpr std::chrono::nanoseconds kUnlessGiven = std::chrono::seconds(60);
      return max_interval.value_or(std::max(interval, kUnlessGiven));
    }
  } scan;
  DiagnosisSettings diagnosis;
  struct {
    bool socket_detail = true;
  } api;
  struct {
    PodDiscovery discovery{};
    NamespaceFilter namespaces;
    TcpEventSet tcp_events;
  } pods;
  struct {
    MetricFilter without;
  } metrics;
  struct {
    MetadataChoice source{};
    std::string node;        ///< this node's name in Kubernetes; empty: not known
    std::string api_server;  ///< HOST:PORT; empty: from the environment
  } metadata;
  struct {
    std::string proc;
    std::string cgroup;
    std::string pod_logs;
    std::string container_logs;
    std::string netns;
    std::string service_account;
  } paths;
  struct {
    std::vector<http::ListenAddress> listen_addresses;  ///< one at least
    std::optional<http::ListenAddress> health_address;  ///< nullopt: where all else is
    std::string config_file;                            ///< empty: everybody is let in
    std::string telemetry_path;
    http::HostNames allowed_hosts;                  ///< beside its own
    bool kubernetes_auth = false;                   ///< whether Kubernetes' tokens are taken
    std::vector<std::string> kubernetes_audiences;  ///< none: the API server's own
  } web;
  struct {
    LogLevel level{};
    LogFormat format{};
  } log;
};

}  // namespace closewatch
