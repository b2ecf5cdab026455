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
#include "app/supervisor.h"
#include "closewatch/api/snapshot_json.h"
#include "closewatch/present/snapshot_table.h"
#include "closewatch/scan/guarded_owners.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {
namespace {

/// How long the API server may take to tell the names.
constexpr std::chrono::seconds kNamesWithin{5};

bool knows(const Snapshot& snapshot, const PodFilter& filter) {
  const bool asks_for_all = filter.pod_namespace.empty() && filter.pod.empty();
  return asks_for_all || std::any_of(snapshot.pods.begin(), snapshot.pods.end(),
                                     [&](const PodSnapshot& pod) { return filter.names(pod); });
}

int print_pods(const Snapshot& snapshot, const ScanRequest& request) {
  if (!knows(snapshot, request.filter)) {
    fmt::print(stderr, "closewatch: no pod here matches --namespace '{}' --pod '{}'\n",
               request.filter.pod_namespace, request.filter.pod);
    return kExitFailure;
  }
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

int scan_here(Config config, const ScanRequest& request) {
  config.diagnosis.sockets = request.sockets ? std::numeric_limits<std::size_t>::max() : 0;
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
