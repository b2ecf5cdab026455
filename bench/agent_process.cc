#include "bench/agent_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include "tests/support/network_namespace.h"
#include <fmt/format.h>

namespace closewatch::bench {
namespace {

constexpr std::uint16_t kPort = 20'088;

UniqueFd connect() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) return {};
  return fd;
}

std::string value_of(const std::string& metrics, const std::string& name) {
  const auto at = metrics.find("\n" + name + " ");
  return at == std::string::npos ? "" : metrics.substr(at + name.size() + 2, 12);
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

UniqueFd AgentProcess::connect_when_ready() {
  UniqueFd connection;
  testing::wait_until("the agent is ready", [&] {
    connection = connect();
    return connection.valid() && get(connection, "/readyz").starts_with("HTTP/1.1 200");
  });
  return connection;
}

std::string AgentProcess::get(const UniqueFd& connection, const std::string& path,
                              const std::string& headers) {
  const auto request = "GET " + path + " HTTP/1.1\r\nHost: bench\r\n" + headers + "\r\n";
  if (::write(connection.get(), request.data(), request.size()) < 0) return {};
  std::string answer;
  std::size_t whole = std::string::npos;
  std::array<char, 1 << 16> piece{};
  while (answer.size() < whole) {
    const auto got = ::read(connection.get(), piece.data(), piece.size());
    if (got <= 0) break;
    answer.append(piece.data(), static_cast<std::size_t>(got));
    const auto end = answer.find("\r\n\r\n");
    const auto length = answer.find("Content-Length: ");
    if (whole == std::string::npos && end != std::string::npos && length < end) {
      whole = end + 4 + std::stoul(answer.substr(length + 16));
    }
  }
  return answer;
}

void AgentProcess::wait_for_scans(const UniqueFd& connection, std::size_t scans) {
  std::string last;
  for (std::size_t seen = 0; seen <= scans;) {
    const auto now = value_of(get(connection, "/metrics"), "closewatch_scan_cpu_seconds_total");
    if (now != last) ++seen;
    last = now;
  }
}

double AgentProcess::metric(const UniqueFd& connection, const std::string& name) {
  return std::stod(value_of(get(connection, "/metrics"), name));
}

double AgentProcess::mebibytes(const std::string& what) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (status >> word && word != what + ":") {
  }
  double kibibytes = 0;
  status >> kibibytes;
  return kibibytes / 1024;
}

}  // namespace closewatch::bench
