// SPDX-License-Identifier: Apache-2.0
#include "bench/agent_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

#include "tests/support/network_namespace.h"
#include <fmt/format.h>

namespace closewatch::bench {
namespace {

constexpr std::uint16_t kPort = 20'088;

std::string value_of(const std::string& metrics, const std::string& name) {
  const auto at = metrics.find("\n" + name + " ");
  return at == std::string::npos ? "" : metrics.substr(at + name.size() + 2, 12);
}

/// As text.
std::string metrics_of(http::Connection& connection) {
  const auto answer = connection.get("/metrics");
  if (!answer) throw std::runtime_error(answer.error().what);
  return answer->body;
}

constexpr double kKibi = 1024;

pid_t child_of(pid_t pid) {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid));
  pid_t child = 0;
  children >> child;
  return child;
}

double kibibytes_of(pid_t pid, const std::string& what) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  std::string word;
  while (status >> word && word != what + ":") {
  }
  double kibibytes = 0;
  status >> kibibytes;
  return kibibytes;
}

}  // namespace

pid_t spawn(std::vector<std::string> words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  if (::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) {
    throw std::runtime_error("cannot run " + words[0]);
  }
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

AgentProcess::AgentProcess(const std::string& binary, const AgentPace& pace)
    : pid_(spawn({binary, "serve", "--web.listen-address", fmt::format("127.0.0.1:{}", kPort),
                  "--scan.engine", pace.engine, "--scan.interval", pace.interval,
                  "--scan.cpu_budget", pace.cpu_budget, "--pods.discovery", "standalone"})) {}

AgentProcess::~AgentProcess() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

http::Connection AgentProcess::connect_when_ready() {
  constexpr std::chrono::seconds kPatience{60};
  std::optional<http::Connection> ready;
  testing::wait_until("the agent is ready", [&] {
    auto connection = http::Connection::open({"127.0.0.1", kPort}, kPatience);
    if (!connection) return false;
    const auto answer = connection->get("/readyz");
    if (!answer || answer->status != http::kOk) return false;
    ready = std::move(*connection);
    return true;
  });
  return std::move(*ready);
}

std::string AgentProcess::get(http::Connection& connection, const std::string& path) {
  const auto answer = connection.get(path, {{"Accept-Encoding", "gzip"}});
  if (!answer) throw std::runtime_error(answer.error().what);
  return answer->body;
}

void AgentProcess::wait_for_scans(http::Connection& connection, std::size_t scans) {
  std::string last;
  for (std::size_t seen = 0; seen <= scans;) {
    const auto now = value_of(metrics_of(connection), "closewatch_scan_cpu_seconds_total");
    if (now != last) ++seen;
    last = now;
  }
}

double AgentProcess::metric(http::Connection& connection, const std::string& name) {
  return std::stod(value_of(metrics_of(connection), name));
}

double AgentProcess::mebibytes(const std::string& what) const {
  // The process that was started only waits for the one that scans; whose child talks to the
  // network.
  const auto scanner = child_of(pid_);
  return kibibytes_of(scanner, what) / kKibi + kibibytes_of(child_of(scanner), what) / kKibi;
}

}  // namespace closewatch::bench
