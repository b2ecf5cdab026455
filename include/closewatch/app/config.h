#pragma once

#include <chrono>
#include <string>

#include "closewatch/http/listen_address.h"
#include "closewatch/pods/node_pods.h"
#include "closewatch/scan/diagnosis.h"

namespace closewatch {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

/// What the agent can be told. The member names are those of the options, see option_table.h, which
/// also holds the defaults.
struct Config {
  struct {
    std::chrono::nanoseconds interval{};
    double cpu_budget = 0;  ///< CPU seconds per second
  } scan;
  DiagnosisSettings diagnosis;
  struct {
    bool socket_detail = true;
  } api;
  struct {
    PodDiscovery discovery{};
  } pods;
  struct {
    std::string proc;
    std::string cgroup;
    std::string pod_logs;
    std::string container_logs;
    std::string netns;
  } paths;
  struct {
    http::ListenAddress listen_address;
    std::string telemetry_path;
  } web;
  struct {
    LogLevel level{};
    LogFormat format{};
  } log;
};

}  // namespace closewatch
