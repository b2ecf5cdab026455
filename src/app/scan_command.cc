#include <algorithm>
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "closewatch/app/commands.h"
#include "closewatch/app/make_scanner.h"
#include "closewatch/export/snapshot_json.h"
#include "closewatch/export/snapshot_table.h"

namespace closewatch {
namespace {

bool knows(const Snapshot& snapshot, const PodFilter& filter) {
  const bool asks_for_all = filter.pod_namespace.empty() && filter.pod.empty();
  return asks_for_all || std::any_of(snapshot.pods.begin(), snapshot.pods.end(),
                                     [&](const PodSnapshot& pod) { return filter.names(pod); });
}

}  // namespace

int scan(const Config& config, const PodFilter& filter, OutputFormat format) {
  const SystemClock clock;
  const auto scanner = make_scanner(config, clock);
  if (!scanner) {
    fmt::print(stderr, "closewatch: {}\n", scanner.error().what);
    return kExitFailure;
  }
  const auto snapshot = (*scanner)->scan([] { return true; });
  for (const auto& complaint : snapshot->complaints) {
    fmt::print(stderr, "closewatch: {}\n", complaint);
  }
  if (!knows(*snapshot, filter)) {
    fmt::print(stderr, "closewatch: no pod here matches --namespace '{}' --pod '{}'\n",
               filter.pod_namespace, filter.pod);
    return kExitFailure;
  }
  const auto text = format == OutputFormat::kJson ? snapshot_json(*snapshot, filter)
                                                  : snapshot_table(*snapshot, filter);
  // A full disk or a closed pipe must not look like an answer.
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) fmt::print(stderr, "closewatch: the output could not be written\n");
  const bool nothing_seen = snapshot->pods.empty() && !snapshot->node;
  return written && !nothing_seen ? kExitSuccess : kExitFailure;
}

}  // namespace closewatch
