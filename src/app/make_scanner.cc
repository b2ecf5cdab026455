// SPDX-License-Identifier: Apache-2.0
#include "app/make_scanner.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/engine_choice.h"
#include "closewatch/base/file.h"
#include "closewatch/engines/namespace_record.h"
#include "closewatch/held/held_sockets.h"
#include "closewatch/pods/api_metadata.h"
#include "closewatch/pods/node_pods.h"
#include "closewatch/pods/pod_logs.h"

namespace closewatch {

namespace {

std::unique_ptr<MetadataSource> make_metadata(const Config& config, const PodDirectory* directory) {
  auto logs = std::make_unique<PodLogs>(config.paths.pod_logs, config.paths.container_logs);
  if (directory == nullptr) return logs;
  return std::make_unique<ApiMetadata>(*directory, std::move(logs));
}

std::unique_ptr<PodSource> make_pods(const Config& config, const PodDirectory* directory,
                                     NamespaceAccess access) {
  return std::make_unique<NodePods>(
      config.pods.discovery,
      std::make_unique<KubernetesPods>(config.paths.proc, config.paths.cgroup,
                                       make_metadata(config, directory), access),
      std::make_unique<StandaloneNamespaces>(config.paths.proc, config.paths.netns, access));
}

/// nullptr where they cannot be looked for.
std::shared_ptr<HeldSocketSource> make_held_sockets(std::vector<std::string>& notes,
                                                    std::vector<std::string>& details) {
  auto source = make_held_socket_source(details);
  if (source) return std::move(*source);
  notes.push_back("sockets that are held after their connections cannot be looked for: " +
                  source.error().what);
  return nullptr;
}

/// bpf costs its loading, inet_diag a walk through the kernel's table for each pod.
ChosenEngine for_one_scan(ChosenEngine chosen, const Config& config, const Clock& clock) {
  constexpr std::chrono::milliseconds kLoading{100};
  const auto own = open_at(kWorkingDirectory, "/proc/thread-self/ns/net", O_RDONLY);
  if (!own) return chosen;
  const auto before = clock.thread_cpu();
  NamespaceRecord ignored(0);
  Recording recording(ignored);
  // No socket is in this state: just the walk.
  const SocketQuery query{.states = bit_of(TcpState::kClose)};
  if (!chosen.source->read(own->get(), query, recording)) return chosen;
  const auto walk = clock.thread_cpu() - before;
  const auto pods = make_pods(config, nullptr, NamespaceAccess::kNamespace)->list();
  if (!pods || pods->pods.size() * walk < kLoading) return chosen;
  auto bpf = choose_engine(EngineChoice::kBpf);
  if (!bpf || bpf->engine != Engine::kBpf) return chosen;
  for (auto& [engine, reason] : bpf->engines) {
    if (!reason.empty()) reason = engine == Engine::kInetDiag ? kEngineDear : kEngineNotNeeded;
  }
  return std::move(*bpf);
}

/// Such that all other pods have new counts within two intervals while one hangs.
std::chrono::nanoseconds patience_at(std::chrono::nanoseconds interval) {
  constexpr std::chrono::nanoseconds kMost = std::chrono::seconds(5);
  return std::clamp<std::chrono::nanoseconds>(interval / 2, HangGuard::kLeastPatience, kMost);
}

}  // namespace

Result<MadeScanner> make_scanner(const Config& config, const Clock& clock,
                                 const PodDirectory* directory, Scans scans,
                                 const SourceMaker& make_source) {
  auto chosen = choose_engine(config.scan.engine);
  if (!chosen) return tl::unexpected(chosen.error());
  const bool may_change =
      config.scan.engine == EngineChoice::kAuto && chosen->engine == Engine::kInetDiag;
  if (may_change && scans == Scans::kOne) chosen = for_one_scan(std::move(*chosen), config, clock);
  const bool as_text = chosen->engine == Engine::kProcfs;
  const auto access = as_text ? NamespaceAccess::kText : NamespaceAccess::kNamespace;
  auto pods = make_pods(config, directory, access);
  std::vector<std::string> notes;
  auto held = config.diagnosis.held_sockets ? make_held_sockets(notes, chosen->details) : nullptr;
  const auto most = namespaces_of_pod(chosen->engine);
  std::optional<EnginePolicy> policy;
  if (may_change && scans == Scans::kMany) {
    policy.emplace(config.scan.interval, config.scan.cpu_budget);
  }
  ScanSettings settings{
      Pacer(config.scan.interval, config.scan.cpu_budget, config.scan.longest_interval()),
      config.diagnosis,
      !as_text,
      chosen->engine,
      std::move(chosen->engines),
      policy,
      config.pods.namespaces,
      patience_at(config.scan.interval),
      config.scan.cpu_budget,
      DescriptorReader(config.paths.proc, access),
      std::move(held),
      config.pods.tcp_events,
      make_source};
  return MadeScanner{
      std::make_unique<Scanner>(std::move(pods), NamespaceOpener(config.paths.proc, access, most),
                                SocketOwners(config.paths.proc), std::move(chosen->source),
                                std::move(settings), clock),
      chosen->engine, std::move(chosen->remarks), std::move(notes), std::move(chosen->details)};
}

}  // namespace closewatch
