// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "app/api_names.h"
#include "app/commands.h"
#include "app/logging.h"
#include "app/make_scanner.h"
#include "app/network_process.h"
#include "app/scan_log.h"
#include "closewatch/base/side_process.h"
#include "closewatch/base/supervisor.h"
#include "closewatch/crossing/scanner_end.h"
#include "closewatch/engines/capabilities.h"
#include "closewatch/http/open_listeners.h"
#include "closewatch/node/descriptor_limit.h"
#include "closewatch/scan/guarded_owners.h"
#include "closewatch/scan/scan_loop.h"
#include "closewatch/systemd/inherited_sockets.h"
#include "closewatch/systemd/notifier.h"
#include "closewatch/systemd/watchdog.h"

namespace closewatch {

namespace {

/// How long the first scan waits for the API server.
constexpr std::chrono::seconds kFirstNamesWithin{3};
/// How long the network's process may take to end once it is told to.
constexpr std::chrono::seconds kLastAnswersWithin{2};

/// Makes the allocator give large blocks back to the kernel, as those that hold a big leak's
/// sockets for the time of a scan; on its own it would learn to keep them (mallopt(3)).
void return_large_blocks() {
  constexpr int kLarge = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, kLarge);
}

/// What the service manager has opened stands in for what is configured.
http::Listeners where_to_listen(const Config& config) {
  auto inherited = inherited_sockets();
  if (!inherited.empty()) return {.descriptors = std::move(inherited)};
  return {.addresses = config.web.listen_addresses};
}

http::Listeners where_to_be_probed(const Config& config) {
  if (!config.web.health_address) return {};
  return {.addresses = {*config.web.health_address}};
}

/// `how` is SIG_BLOCK or SIG_UNBLOCK.
void mask_ending_signals(int how) {
  sigset_t ending;
  sigemptyset(&ending);
  for (const int number : {SIGTERM, SIGINT}) sigaddset(&ending, number);
  pthread_sigmask(how, &ending, nullptr);
}

/// The process that talks to the network, and what joins it with this one, which keeps no socket of
/// the network.
struct Network {
  std::optional<ApiAccess> names;  ///< whom it asks for pods' names
  http::OpenListeners listeners;
  http::OpenListeners health;
  SideProcess process;
  UniqueFd joint;
};

/// There must be one thread yet.
Result<Network> start_network(const Config& config) {
  auto names = ApiNames::access_for(config);
  if (!names) return tl::unexpected(names.error());
  auto listeners = http::OpenListeners::open(where_to_listen(config));
  if (!listeners) return tl::unexpected(listeners.error());
  auto health = http::OpenListeners::open(where_to_be_probed(config));
  if (!health) return tl::unexpected(health.error());
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return fail_errno(errno, "socketpair");
  }
  UniqueFd here(pair[0]);
  UniqueFd there(pair[1]);
  auto process = SideProcess::start([&] {
    here = UniqueFd();
    return serve_network(config, {std::move(there), listeners->take(), health->take(), *names,
                                  SystemClock().wall_now()});
  });
  if (!process) return tl::unexpected(process.error());
  listeners->close();
  health->close();
  return Network{std::move(*names), std::move(*listeners), std::move(*health), std::move(*process),
                 std::move(here)};
}

int fail_with(const Logger& logger, const Error& error) {
  logger->error(error.what);
  return kExitFailure;
}

void log_making(const Logger& logger, const MadeScanner& made) {
  for (const auto& remark : made.remarks) logger->warn(remark);
  for (const auto& note : made.notes) logger->info(note);
  for (const auto& detail : made.details) logger->debug(detail);
  for (const auto& missing : missing_capabilities(made.engine)) logger->warn(missing);
}

/// `why` nothing comes from there any more, and `how` the process has ended.
void log_end(const Logger& logger, const std::string& why, const std::string& how) {
  logger->error("the process that talks to the network {}; the agent ends, to be started anew",
                why.empty() ? "is no more: " + how : "has sent what it must not: " + why);
}

int serve_here(Config config) {
  return_large_blocks();
  const auto logger = make_logger(config.log.level, config.log.format);
  const SystemClock clock;

  if (!config.api.socket_detail) config.diagnosis.sockets = 0;

  const auto manager = Notifier::from_environment();
  const auto watchdog_within = watchdog_period();
  raise_descriptor_limit();
  // The other process says that it serves while this one is not yet ready for a signal: it waits.
  mask_ending_signals(SIG_BLOCK);
  auto network = start_network(config);
  if (!network) return fail_with(logger, network.error());

  boost::asio::io_context context(1);
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int number) {
    if (error) return;
    mask_ending_signals(SIG_BLOCK);  // another that asks for the same must not change how it ends
    logger->info("signal {}: ending", number);
    manager.tell("STOPPING=1");
    context.stop();
  });
  mask_ending_signals(SIG_UNBLOCK);

  PodDirectory names;
  auto made = make_scanner(config, clock, network->names ? &names : nullptr);
  if (!made) return fail_with(logger, made.error());
  log_making(logger, *made);

  SnapshotStore snapshots;
  GuardedOwners owners(SocketOwners(config.paths.proc),
                       CpuAllowance(config.scan.cpu_budget, std::chrono::steady_clock::now()));
  struct {
    std::unique_ptr<crossing::ScannerEnd> end;
    std::unique_ptr<ScanLoop> loop;  // goes first, as its thread uses the other
  } sides;
  std::optional<std::string> network_ended;
  // Before its first scan it has not stopped.
  const auto alive = [&sides] { return sides.loop == nullptr || sides.loop->alive(); };
  sides.end = crossing::ScannerEnd::open(
      context, std::move(network->joint),
      {snapshots, names, alive,
       [&owners](const Pod& pod, auto inodes) { return owners.find(pod, std::move(inodes)); },
       network->process.pid(),
       [&](const std::string& why) {
         network_ended = why;
         context.stop();
       },
       [&logger](const std::string& what) { logger->error(what); }});
  while (!sides.end->is_ready() && context.run_one() > 0) {
  }
  const auto until = std::chrono::steady_clock::now() + kFirstNamesWithin;
  while (network->names && !names.settled() && context.run_one_until(until) > 0) {
  }
  if (!context.stopped()) {
    auto listener = log_scans(logger);
    listener.published = [&sides] { sides.end->publish(); };
    sides.loop =
        std::make_unique<ScanLoop>(std::move(made->scanner), snapshots, std::move(listener), clock);
    sides.end->publish();
    logger->info("the engine {} reads the sockets", name_of(made->engine));
  }
  std::optional<Watchdog> watchdog;
  if (watchdog_within) {
    watchdog.emplace(context, manager, *watchdog_within,
                     [&] { return alive() && sides.end->is_heard(); });
  }
  if (!context.stopped()) manager.tell("READY=1");
  context.run();

  sides.end->close();
  const auto how = network->process.wait(kLastAnswersWithin);
  if (!network_ended) return kExitSuccess;
  // What has kept it from serving at all it has said itself.
  if (sides.end->is_ready() || !network_ended->empty()) log_end(logger, *network_ended, how);
  return kExitFailure;
}

}  // namespace

int serve(Config config) {
  const auto log = config.log;
  return supervised(
      [&config] { return serve_here(std::move(config)); },
      [&log](const std::string& what) { make_logger(log.level, log.format)->error(what); });
}

}  // namespace closewatch
