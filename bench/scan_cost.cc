// What a scan costs on real namespaces, against what people do without closewatch: reading the text
// of /proc/PID/net/tcp{,6}, and running ss. All in one run on one machine, so that the ratios hold.
//
//   closewatch-bench AGENT_BINARY    prints Markdown; needs root

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/allocations.h"
#include "tests/support/agent_scanner.h"
#include "tests/support/network_namespace.h"
#include "tests/support/socket_holder.h"
#include "tests/support/tcp_sockets.h"
#include <fmt/format.h>

#include "closewatch/base/file.h"

namespace closewatch::bench {
namespace {

using testing::AgentScanner;
using testing::NetworkNamespace;
using testing::SocketHolder;
using testing::Wire;
using Seconds = std::chrono::duration<double>;

/// Namespaces with established connections in them; each connection is two sockets.
class Tenants {
 public:
  Tenants(std::size_t namespaces, std::size_t connections) {
    for (std::size_t i = 0; i < namespaces; ++i) {
      const auto& space = spaces_.emplace_back("bench" + std::to_string(i));
      holders_.emplace_back(space, [connections] {
        return testing::sockets_in(TcpState::kEstablished, Wire::kIpv4, connections);
      });
    }
    for (const auto& holder : holders_) holder.wait_until_ready();
  }

  [[nodiscard]] const std::vector<NetworkNamespace>& spaces() const { return spaces_; }
  [[nodiscard]] const std::vector<SocketHolder>& holders() const { return holders_; }

 private:
  std::vector<NetworkNamespace> spaces_;
  std::vector<SocketHolder> holders_;
};

Seconds cpu_of(int who) {
  rusage used{};
  ::getrusage(who, &used);
  const auto of = [](const timeval& time) {
    return Seconds(static_cast<double>(time.tv_sec)) +
           Seconds(1e-6 * static_cast<double>(time.tv_usec));
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

/// The cheapest of some runs, in CPU time; at least one, more as long as they are short.
Seconds cheapest(int who, const std::function<void()>& work) {
  constexpr int kRuns = 5;
  constexpr Seconds kEnough{3};
  Seconds best = Seconds::max();
  Seconds spent{};
  for (int run = 0; run < kRuns && spent < kEnough; ++run) {
    const auto before = cpu_of(who);
    work();
    const auto cost = cpu_of(who) - before;
    best = std::min(best, cost);
    spent += cost;
  }
  return best;
}

void read_text(const SocketHolder& holder, std::vector<char>& buffer) {
  for (const auto* const file : {"/net/tcp", "/net/tcp6"}) {
    const auto path = "/proc/" + std::to_string(holder.pid()) + file;
    const auto fd = open_at(kWorkingFolder, path.c_str(), O_RDONLY);
    if (!fd) throw std::runtime_error(fd.error().what);
    while (::read(fd->get(), buffer.data(), buffer.size()) > 0) {
    }
  }
}

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

void run_ss(const NetworkNamespace& space) {
  ::waitpid(spawn({"ss", "-N", space.name(), "-tan"}), nullptr, 0);
}

std::string milliseconds(Seconds seconds) { return fmt::format("{:.1f}", seconds.count() * 1e3); }

void print_cost(std::size_t namespaces, std::size_t connections) {
  const Tenants tenants(namespaces, connections);
  AgentScanner scanner;
  scanner.scan();
  const auto ours = cheapest(RUSAGE_SELF, [&] { scanner.scan(); });
  const auto allocations_before = allocations();
  scanner.scan();
  const auto allocated = allocations() - allocations_before;

  std::vector<char> buffer(std::size_t{64} << 10U);
  const auto text = cheapest(RUSAGE_SELF, [&] {
    for (const auto& holder : tenants.holders()) read_text(holder, buffer);
  });
  const auto ss = cheapest(RUSAGE_CHILDREN, [&] {
    for (const auto& space : tenants.spaces()) run_ss(space);
  });
  fmt::print("| {} × {} | {} | {} | {} | {} | {:.1f} | {:.1f} | {} |\n", namespaces, connections,
             namespaces * (2 * connections + 1), milliseconds(ours), milliseconds(text),
             milliseconds(ss), text / ours, ss / ours, allocated);
  (void)std::fflush(stdout);
}

/// A `closewatch serve` of its own, on a port of its own.
class Agent {
 public:
  explicit Agent(const std::string& binary)
      : pid_(spawn({binary, "serve", "--web.listen-address", fmt::format("127.0.0.1:{}", kPort),
                    "--scan.interval", "1s", "--scan.cpu_budget", "1", "--pods.discovery",
                    "standalone"})) {}
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  Agent(Agent&&) = delete;
  Agent& operator=(Agent&&) = delete;
  ~Agent() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  /// A connection to it, once it has done a scan.
  static UniqueFd connect_when_ready() {
    UniqueFd connection;
    testing::wait_until("the agent is ready", [&] {
      connection = connect();
      return connection.valid() && get(connection, "/readyz").starts_with("HTTP/1.1 200");
    });
    return connection;
  }

  /// One whole answer over a connection that is kept alive.
  static std::string get(const UniqueFd& connection, const std::string& path) {
    const auto request = "GET " + path + " HTTP/1.1\r\nHost: bench\r\n\r\n";
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

  [[nodiscard]] double resident_mebibytes() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::string word;
    while (status >> word && word != "VmRSS:") {
    }
    double kibibytes = 0;
    status >> kibibytes;
    return kibibytes / 1024;
  }

 private:
  static constexpr std::uint16_t kPort = 20'088;

  static UniqueFd connect() {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) return {};
    return fd;
  }

  pid_t pid_;
};

std::string metric(const std::string& metrics, const std::string& name) {
  const auto at = metrics.find("\n" + name + " ");
  return at == std::string::npos ? "" : metrics.substr(at + name.size() + 2, 12);
}

void print_memory(const std::string& binary) {
  constexpr std::size_t kScans = 20;
  const Tenants tenants(110, 100);  // 200 sockets each, and a listener
  const Agent agent(binary);
  const auto connection = Agent::connect_when_ready();
  std::string last;
  for (std::size_t scans = 0; scans < kScans;) {
    const auto now =
        metric(Agent::get(connection, "/metrics"), "closewatch_scan_cpu_seconds_total");
    if (now != last) ++scans;
    last = now;
  }
  fmt::print(
      "\nMemory of the agent with 110 namespaces × 200 sockets, after {} scans and more scrapes: "
      "{:.1f} MiB resident.\n",
      kScans, agent.resident_mebibytes());
}

void print_latency(const std::string& binary) {
  constexpr std::size_t kScrapes = 2'000;
  const Tenants tenants(250, 10);
  const Agent agent(binary);
  const auto connection = Agent::connect_when_ready();
  std::vector<double> latencies;
  latencies.reserve(kScrapes);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kScrapes; ++i) {
    const auto start = std::chrono::steady_clock::now();
    bytes = Agent::get(connection, "/metrics").size();
    latencies.push_back(Seconds(std::chrono::steady_clock::now() - start).count() * 1e3);
  }
  std::sort(latencies.begin(), latencies.end());
  fmt::print(
      "\nScrape of 250 pods ({} KiB) over a kept connection while scans go on: p50 {:.1f} ms, "
      "p99 {:.1f} ms of {} scrapes.\n",
      bytes / 1024, latencies[kScrapes / 2], latencies[kScrapes * 99 / 100], kScrapes);
}

void print_all(const std::string& binary) {
  fmt::print(
      "| namespaces × connections | sockets | closewatch, ms | text, ms | ss, ms | text ÷ "
      "closewatch "
      "| ss ÷ closewatch | allocations |\n|---|---|---|---|---|---|---|---|\n");
  for (const std::size_t connections : {0U, 100U, 1000U}) {
    for (const std::size_t namespaces : {10U, 110U, 250U}) print_cost(namespaces, connections);
  }
  print_memory(binary);
  print_latency(binary);
}

}  // namespace
}  // namespace closewatch::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fputs("usage: closewatch-bench AGENT_BINARY\n", stderr);
    return 2;
  }
  try {
    closewatch::bench::print_all(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "closewatch-bench: {}\n", error.what());
    return 1;
  }
}
