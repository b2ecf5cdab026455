#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <climits>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "app/api_names.h"
#include "app/commands.h"
#include "app/logging.h"
#include "app/make_scanner.h"
#include "app/scan_log.h"
#include "closewatch/base/build_info.h"
#include "closewatch/base/supervisor.h"
#include "closewatch/engines/capabilities.h"
#include "closewatch/http/server.h"
#include "closewatch/kubernetes/access_reviewer.h"
#include "closewatch/kubernetes/api_server.h"
#include "closewatch/node/descriptor_limit.h"
#include "closewatch/present/socket_listings.h"
#include "closewatch/routes/routes.h"
#include "closewatch/scan/guarded_owners.h"
#include "closewatch/scan/scan_loop.h"
#include "closewatch/systemd/inherited_sockets.h"
#include "closewatch/systemd/notifier.h"
#include "closewatch/systemd/watchdog.h"
#include "closewatch/web/web_access.h"

namespace closewatch {

namespace {

/// Connections of those who only ask whether it lives.
constexpr std::size_t kMostProbes = 8;

/// How long the first scan waits for the API server.
constexpr std::chrono::seconds kFirstNamesWithin{3};

/// Makes the allocator give large blocks back to the kernel, as those that hold a big leak's
/// sockets for the time of a scan; on its own it would learn to keep them (mallopt(3)).
void return_large_blocks() {
  constexpr int kLarge = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, kLarge);
}

/// In a pod that is the pod's name.
std::string machine_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// As Kubernetes calls it, or the machine itself.
std::string node_name(const Config& config) {
  return config.metadata.node.empty() ? machine_name() : config.metadata.node;
}

/// What the service manager has opened stands in for what is configured.
http::Listeners where_to_listen(const Config& config) {
  auto inherited = inherited_sockets();
  if (!inherited.empty()) return {.descriptors = std::move(inherited)};
  return {.addresses = config.web.listen_addresses};
}

/// Null: no tokens are taken. An error names what web.kubernetes-auth lacks.
Result<std::unique_ptr<AccessReviewer>> make_reviewer(const Config& config,
                                                      boost::asio::io_context& context) {
  if (!config.web.kubernetes_auth) return nullptr;
  auto access = find_api_server(config.metadata.api_server, config.paths.service_account);
  const auto missing = missing_for(access, "set web.kubernetes-auth to false");
  if (!missing.empty()) {
    return fail(ErrorKind::kUnsupported, "web.kubernetes-auth is true, but " + missing);
  }
  return make_access_reviewer(context, make_api_transport(context, std::move(access)),
                              config.web.kubernetes_audiences);
}

/// By what connections are opened; `access` may be null.
http::ServerOptions door(web::WebAccess* access) {
  if (access == nullptr) return {};
  return {.tls = [access] { return access->tls(); },
          .on_failed_handshake =
              [access](const std::string& client, const std::string& why) {
                access->note_failed_handshake(client, why);
              }};
}

/// Another signal that asks for the same must not change how it ends.
void block_ending_signals() {
  sigset_t ending;
  sigemptyset(&ending);
  for (const int number : {SIGTERM, SIGINT}) sigaddset(&ending, number);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
}

int serve_here(Config config) {
  return_large_blocks();
  const auto logger = make_logger(config.log.level, config.log.format);
  const SystemClock clock;
  const auto started_at = clock.wall_now();

  if (!config.api.socket_detail) config.diagnosis.sockets = 0;

  const auto manager = Notifier::from_environment();
  const auto watchdog_within = watchdog_period();

  boost::asio::io_context context(1);
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int number) {
    if (error) return;
    block_ending_signals();
    logger->info("signal {}: ending", number);
    manager.tell("STOPPING=1");
    context.stop();
  });

  raise_descriptor_limit();
  const auto names = ApiNames::make(config, context);
  if (!names) {
    logger->error(names.error().what);
    return kExitFailure;
  }
  auto made = make_scanner(config, clock, *names ? &(*names)->directory() : nullptr);
  if (!made) {
    logger->error(made.error().what);
    return kExitFailure;
  }
  for (const auto& remark : made->remarks) logger->warn(remark);
  for (const auto& note : made->notes) logger->info(note);
  for (const auto& detail : made->details) logger->debug(detail);
  for (const auto& missing : missing_capabilities(made->engine)) logger->warn(missing);

  const auto reviewer = make_reviewer(config, context);
  if (!reviewer) {
    logger->error(reviewer.error().what);
    return kExitFailure;
  }
  std::unique_ptr<web::WebAccess> access;
  if (!config.web.config_file.empty() || *reviewer != nullptr) {
    auto opened =
        web::WebAccess::open(context, {.file = config.web.config_file, .reviewer = reviewer->get()},
                             {.info = [&logger](const std::string& line) { logger->info(line); },
                              .warn = [&logger](const std::string& line) { logger->warn(line); }});
    if (!opened) {
      logger->error(opened.error().what);
      return kExitFailure;
    }
    access = std::move(*opened);
  }

  SnapshotStore snapshots;
  GuardedOwners owners(SocketOwners(config.paths.proc),
                       CpuAllowance(config.scan.cpu_budget, std::chrono::steady_clock::now()));
  std::unique_ptr<ScanLoop> loop;
  SocketListings listings(
      [&owners](const Pod& pod, auto inodes) { return owners.find(pod, std::move(inodes)); },
      [&context](auto work) { boost::asio::post(context, std::move(work)); });
  auto hosts = config.web.allowed_hosts;
  hosts.add(node_name(config));
  hosts.add(machine_name());
  const RouteSources sources{
      snapshots,
      clock,
      node_name(config),
      config.web.telemetry_path,
      started_at,
      [&loop] { return loop != nullptr && loop->alive(); },
      [&hosts, &names](std::string_view host) {
        return hosts.allow(host) || (*names && (*names)->server_names().allow(host));
      },
      config.api.socket_detail,
      [&listings](const auto& snapshot, const auto& pod_namespace, const auto& pod, auto done) {
        listings.of(snapshot, pod_namespace, pod, std::move(done));
      },
      [&access] { return access == nullptr ? std::nullopt : std::optional(access->facts()); }};
  auto routes = make_routes(sources, config.metrics.without);
  if (access != nullptr) routes = access->guard(std::move(routes));
  const auto server =
      http::serve(context, where_to_listen(config), std::move(routes), door(access.get()));
  const auto probes =
      config.web.health_address
          ? http::serve(context, {.addresses = {*config.web.health_address}},
                        make_health_routes(sources), {.most_connections = kMostProbes})
          : Result<std::unique_ptr<http::Server>>(nullptr);
  for (const auto* const made_server : {&server, &probes}) {
    if (*made_server) continue;
    logger->error(made_server->error().what);
    return kExitFailure;
  }
  if (*names) (*names)->wait(kFirstNamesWithin);
  loop = std::make_unique<ScanLoop>(std::move(made->scanner), snapshots, log_scans(logger), clock);
  logger->info("the engine {} reads the sockets", name_of(made->engine));
  for (const auto& address : (*server)->addresses()) {
    logger->info("closewatch {} serves on {}{}", build_version(), http::to_text(address),
                 config.web.telemetry_path);
  }
  if (*probes != nullptr) {
    logger->info("/healthz and /readyz alone are on {}",
                 http::to_text((*probes)->addresses().front()));
  }
  std::optional<Watchdog> watchdog;
  if (watchdog_within) {
    watchdog.emplace(context, manager, *watchdog_within, [&loop] { return loop->alive(); });
  }
  manager.tell("READY=1");
  context.run();
  return kExitSuccess;
}

}  // namespace

int serve(Config config) {
  const auto log = config.log;
  return supervised(
      [&config] { return serve_here(std::move(config)); },
      [&log](const std::string& what) { make_logger(log.level, log.format)->error(what); });
}

}  // namespace closewatch
