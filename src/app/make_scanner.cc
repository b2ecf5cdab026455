#include "app/make_scanner.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/engine_choice.h"
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

/// nullptr where they cannot be looked for.
std::shared_ptr<HeldSocketSource> make_held_sockets(std::vector<std::string>& notes,
                                                    std::vector<std::string>& details) {
  auto source = make_held_socket_source(details);
  if (source) return std::move(*source);
  notes.push_back("sockets that are held after their connections cannot be looked for: " +
                  source.error().what);
  return nullptr;
}

/// Such that all other pods have new counts within two intervals while one hangs.
std::chrono::nanoseconds patience_at(std::chrono::nanoseconds interval) {
  constexpr std::chrono::nanoseconds kMost = std::chrono::seconds(5);
  return std::clamp<std::chrono::nanoseconds>(interval / 2, HangGuard::kLeastPatience, kMost);
}

}  // namespace

Result<MadeScanner> make_scanner(const Config& config, const Clock& clock,
                                 const PodDirectory* directory) {
  auto chosen = choose_engine(config.scan.engine);
  if (!chosen) return tl::unexpected(chosen.error());
  const bool as_text = chosen->engine == Engine::kProcfs;
  const auto access = as_text ? NamespaceAccess::kText : NamespaceAccess::kNamespace;
  auto pods = std::make_unique<NodePods>(
      config.pods.discovery,
      std::make_unique<KubernetesPods>(config.paths.proc, config.paths.cgroup,
                                       make_metadata(config, directory), access),
      std::make_unique<StandaloneNamespaces>(config.paths.proc, config.paths.netns, access));
  std::vector<std::string> notes;
  auto held = config.diagnosis.held_sockets ? make_held_sockets(notes, chosen->details) : nullptr;
  const auto most = namespaces_of_pod(chosen->engine);
  std::optional<EnginePolicy> policy;
  if (config.scan.engine == EngineChoice::kAuto && chosen->engine == Engine::kInetDiag) {
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
      make_another};
  return MadeScanner{
      std::make_unique<Scanner>(std::move(pods), NamespaceOpener(config.paths.proc, access, most),
                                SocketOwners(config.paths.proc), std::move(chosen->source),
                                std::move(settings), clock),
      chosen->engine, std::move(chosen->remarks), std::move(notes), std::move(chosen->details)};
}

}  // namespace closewatch
