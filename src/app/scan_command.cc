// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "app/api_names.h"
#include "app/commands.h"
#include "app/make_scanner.h"
#include "app/standard_output.h"
#include "closewatch/api/snapshot_json.h"
#include "closewatch/base/supervisor.h"
#include "closewatch/connections/connection_reader.h"
#include "closewatch/engines/capabilities.h"
#include "closewatch/present/snapshot_table.h"
#include "closewatch/scan/guarded_owners.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {
namespace {

/// How long the API server may take to tell the names.
constexpr std::chrono::seconds kNamesWithin{5};

constexpr const char* kOnlyInetDiag =
    "sockets of any state are listed by inet_diag alone, which takes CAP_SYS_ADMIN and "
    "CAP_SYS_PTRACE: run as root, or in a container with SYS_ADMIN and SYS_PTRACE";

/// Says so where there is no such pod.
bool knows(const Snapshot& snapshot, const PodFilter& filter) {
  const bool asks_for_all = filter.pod_namespace.empty() && filter.pod.empty();
  const bool known =
      asks_for_all || std::any_of(snapshot.pods.begin(), snapshot.pods.end(),
                                  [&](const PodSnapshot& pod) { return filter.names(pod); });
  if (!known) {
    fmt::print(stderr, "closewatch: no pod here matches --namespace '{}' --pod '{}'\n",
               filter.pod_namespace, filter.pod);
  }
  return known;
}

int print_pods(const Snapshot& snapshot, const ScanRequest& request) {
  if (!knows(snapshot, request.filter)) return kExitFailure;
  const bool written = print(request.format == OutputFormat::kJson
                                 ? snapshot_json(snapshot, request.filter, snapshot.taken_at_steady)
                                 : snapshot_table(snapshot, request.filter));
  const bool nothing_seen = snapshot.pods.empty() && !snapshot.node;
  return written && !nothing_seen ? kExitSuccess : kExitFailure;
}

int print_sockets(const Snapshot& snapshot, const ScanRequest& request, GuardedOwners& owners) {
  const auto& [pod_namespace, name, state] = request.filter;
  const auto pods = find_namesakes(snapshot, pod_namespace, name);
  if (pods.empty()) {
    fmt::print(stderr, "closewatch: no pod {}/{} here\n", pod_namespace, name);
    return kExitFailure;
  }
  const auto listing = list_sockets(pods, [&](const Pod& pod, std::vector<std::uint32_t> inodes) {
    auto found = owners.find(pod, std::move(inodes));
    if (found.error) fmt::print(stderr, "closewatch: {}\n", found.error->what);
    return found;
  });
  const bool visible = listing.visibility == Visibility::kVisible;
  if (!visible) {
    fmt::print(stderr, "closewatch: {}/{} is not visible ({}): {}\n", pod_namespace, name,
               reason_of(listing.visibility), listing.detail);
  }
  bool written = true;
  if (request.format == OutputFormat::kJson) {
    written = print(listing_json(snapshot, listing));
  } else if (visible) {
    written = print(listing_table(listing));
  }
  return written && visible ? kExitSuccess : kExitFailure;
}

int print_connections(const Config& config, const Scanner& scanner, const Snapshot& snapshot,
                      const ScanRequest& request) {
  if (!knows(snapshot, request.filter)) return kExitFailure;
  const auto answer =
      list_connections(scanner, snapshot, request.filter, *request.connections, config.paths.proc);
  if (!answer) {
    fmt::print(stderr, "closewatch: {}\n", answer.error().what);
    return kExitFailure;
  }
  for (const auto& remark : answer->remarks) fmt::print(stderr, "closewatch: {}\n", remark);
  const bool written =
      print(request.format == OutputFormat::kJson ? connections_json(answer->listing, snapshot)
                                                  : connections_table(answer->listing, snapshot));
  return written ? answer->status : kExitFailure;
}

int scan_here(Config config, const ScanRequest& request) {
  if (request.connections) {
    if (!missing_capabilities(Engine::kInetDiag).empty()) {
      fmt::print(stderr, "closewatch: {}\n", kOnlyInetDiag);
      return kExitFailure;
    }
    config.scan.engine = EngineChoice::kInetDiag;
    config.diagnosis.held_sockets = false;
    config.pods.tcp_events = {};
  }
  config.diagnosis.sockets =
      request.sockets && !request.connections ? std::numeric_limits<std::size_t>::max() : 0;
  const SystemClock clock;
  boost::asio::io_context context(1);
  const auto names = ApiNames::make(config, context);
  if (!names) {
    fmt::print(stderr, "closewatch: {}\n", names.error().what);
    return kExitFailure;
  }
  if (*names) (*names)->wait(kNamesWithin);
  const auto made =
      make_scanner(config, clock, *names ? &(*names)->directory() : nullptr, Scans::kOne);
  if (!made) {
    fmt::print(stderr, "closewatch: {}\n", made.error().what);
    return kExitFailure;
  }
  for (const auto& remark : made->remarks) fmt::print(stderr, "closewatch: {}\n", remark);
  if (config.log.level == LogLevel::kDebug) {
    for (const auto& note : made->notes) fmt::print(stderr, "closewatch: {}\n", note);
    for (const auto& detail : made->details) fmt::print(stderr, "closewatch: {}\n", detail);
  }
  const auto snapshot = made->scanner->scan([] { return true; });
  for (const auto& complaint : snapshot->complaints) {
    fmt::print(stderr, "closewatch: {}\n", complaint);
  }
  if (request.connections) {
    return print_connections(config, *made->scanner, *snapshot, request);
  }
  if (!request.sockets) return print_pods(*snapshot, request);
  GuardedOwners owners(SocketOwners(config.paths.proc));
  return print_sockets(*snapshot, request, owners);
}

}  // namespace

int scan(Config config, const ScanRequest& request) {
  return supervised([&] { return scan_here(std::move(config), request); },
                    [](const std::string& what) { fmt::print(stderr, "closewatch: {}\n", what); });
}

}  // namespace closewatch
