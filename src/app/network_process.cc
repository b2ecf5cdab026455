// SPDX-License-Identifier: Apache-2.0
#include "app/network_process.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/api_names.h"
#include "app/logging.h"
#include "closewatch/base/build_info.h"
#include "closewatch/base/exit_status.h"
#include "closewatch/base/whole_number.h"
#include "closewatch/confinement/confinement.h"
#include "closewatch/crossing/network_end.h"
#include "closewatch/http/server.h"
#include "closewatch/kubernetes/access_reviewer.h"
#include "closewatch/kubernetes/api_server.h"
#include "closewatch/present/socket_listings.h"
#include "closewatch/routes/routes.h"
#include "closewatch/web/web_access.h"

namespace closewatch {
namespace {

/// Connections of those who only ask whether it lives.
constexpr std::size_t kMostProbes = 8;

/// In a pod that is the pod's name.
std::string machine_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// As Kubernetes calls it, or the machine itself.
std::string node_name(const Config& config) {
  return config.metadata.node.empty() ? machine_name() : config.metadata.node;
}

/// Whom tokens are shown to; nullopt: none are taken. An error names what web.kubernetes-auth
/// lacks.
Result<std::optional<ApiAccess>> access_for_tokens(const Config& config) {
  if (!config.web.kubernetes_auth) return std::nullopt;
  auto access = find_api_server(config.metadata.api_server, config.paths.service_account);
  const auto missing = missing_for(access, "set web.kubernetes-auth to false");
  if (missing.empty()) return access;
  return fail(ErrorKind::kUnsupported, "web.kubernetes-auth is true, but " + missing);
}

/// Files by which names of hosts become addresses. resolv.conf may be a link to where systemd
/// writes it anew.
void add_resolver_files(std::vector<std::string>& readable) {
  for (const auto* const file : {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                 "/etc/host.conf", "/etc/gai.conf"}) {
    readable.emplace_back(file);
  }
  std::error_code unseen;
  const auto real = std::filesystem::canonical("/etc/resolv.conf", unseen).parent_path();
  if (!unseen && real != "/etc") readable.push_back(real);
}

/// What is read while it serves: what is rotated, and how names of hosts become addresses.
Result<Confines> confines_of(const Config& config, const std::optional<ApiAccess>& asked) {
  auto directories = web::directories_of_web_config(config.web.config_file);
  if (!directories) return tl::unexpected(directories.error());
  Confines confines{.readable = std::move(*directories)};
  if (!asked) return confines;
  constexpr std::uint16_t kHttps = 443;
  confines.asks_at_port = whole_number<std::uint16_t>(asked->port).value_or(kHttps);
  confines.readable.push_back(asked->service_account);
  add_resolver_files(confines.readable);
  return confines;
}

/// Libraries read these once, and later they could not: the time zone, OpenSSL's own settings.
void read_settings_of_libraries(const Config& config, bool asks) {
  ::tzset();
  if (asks || !config.web.config_file.empty()) {
    const boost::asio::ssl::context first(boost::asio::ssl::context::tls);
  }
}

void log_confinement(const Logger& logger, const Confinement& confinement,
                     const Confines& confines) {
  for (const auto& missing : confinement.missing) logger->warn(missing);
  if (!confinement.missing.empty()) return;
  logger->info(
      "process {} talks to the network, without capabilities: it makes no system calls but a "
      "server's, writes no file, and reads {}",
      ::getpid(),
      confines.readable.empty() ? "none"
                                : fmt::format("{} alone", fmt::join(confines.readable, ", ")));
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

/// Null: everybody is let in.
Result<std::unique_ptr<web::WebAccess>> make_access(const Config& config, const Logger& logger,
                                                    AccessReviewer* reviewer,
                                                    boost::asio::io_context& context) {
  if (config.web.config_file.empty() && reviewer == nullptr) return nullptr;
  return web::WebAccess::open(context, {.file = config.web.config_file, .reviewer = reviewer},
                              {.info = [logger](const std::string& line) { logger->info(line); },
                               .warn = [logger](const std::string& line) { logger->warn(line); }});
}

int not_served(const Logger& logger, const Error& error) {
  logger->error(error.what);
  return kExitFailure;
}

}  // namespace

int serve_network(const Config& config, NetworkParts parts) {
  ::prctl(PR_SET_NAME, "closewatch-net");  // as ps shows it
  const auto logger = make_logger(config.log.level, config.log.format);
  const SystemClock clock;

  const auto tokens = access_for_tokens(config);
  if (!tokens) return not_served(logger, tokens.error());
  const auto& asked = parts.names ? parts.names : *tokens;
  const auto confines = confines_of(config, asked);
  if (!confines) return not_served(logger, confines.error());
  read_settings_of_libraries(config, asked.has_value());
  const auto confinement = confine(*confines);
  log_confinement(logger, confinement, *confines);

  boost::asio::io_context context(1);
  SnapshotStore snapshots;
  const auto scanner = crossing::NetworkEnd::open(
      context, std::move(parts.scanner), snapshots, [&](const std::string& why) {
        if (!why.empty()) logger->error("what the scanner has sent is not right: {}", why);
        context.stop();
      });
  std::unique_ptr<ApiNames> names;
  if (parts.names) {
    names = std::make_unique<ApiNames>(
        context, *parts.names, config.metadata.node,
        [&scanner](const PodDirectory& directory) { scanner->tell_names(directory); });
  }
  const auto reviewer = *tokens
                            ? make_access_reviewer(context, make_api_transport(context, **tokens),
                                                   config.web.kubernetes_audiences)
                            : nullptr;
  const auto access = make_access(config, logger, reviewer.get(), context);
  if (!access) return not_served(logger, access.error());

  SocketListings listings(
      [&scanner](const Pod& pod, auto inodes) {
        return scanner->find_owners(pod, std::move(inodes));
      },
      [&context](auto work) { boost::asio::post(context, std::move(work)); });
  auto hosts = config.web.allowed_hosts;
  hosts.add(node_name(config));
  hosts.add(machine_name());
  const RouteSources sources{
      snapshots,
      clock,
      node_name(config),
      config.web.telemetry_path,
      parts.started_at,
      [&scanner] { return scanner->alive(); },
      [&hosts, &names](std::string_view host) {
        return hosts.allow(host) || (names != nullptr && names->server_names().allow(host));
      },
      config.api.socket_detail,
      [&listings](const auto& snapshot, const auto& pod_namespace, const auto& pod, auto done) {
        listings.of(snapshot, pod_namespace, pod, std::move(done));
      },
      [&access] { return *access == nullptr ? std::nullopt : std::optional((*access)->facts()); },
      [&scanner] { return scanner->process_stats(); },
      confinement};
  auto routes = make_routes(sources, config.metrics.without);
  if (*access != nullptr) routes = (*access)->guard(std::move(routes));
  const auto server = http::serve(context, {.descriptors = std::move(parts.listeners)},
                                  std::move(routes), door(access->get()));
  if (!server) return not_served(logger, server.error());
  const auto probes = http::serve(context, {.descriptors = std::move(parts.health)},
                                  make_health_routes(sources), {.most_connections = kMostProbes});
  if (!probes) return not_served(logger, probes.error());
  for (const auto& address : (*server)->addresses()) {
    logger->info("closewatch {} serves on {}{}", build_version(), http::to_text(address),
                 config.web.telemetry_path);
  }
  for (const auto& address : (*probes)->addresses()) {
    logger->info("/healthz and /readyz alone are on {}", http::to_text(address));
  }
  scanner->tell_ready();
  context.run();
  scanner->close();
  return kExitSuccess;
}

}  // namespace closewatch
