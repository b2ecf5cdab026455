#include "closewatch/app/make_scanner.h"

#include <utility>

#include "closewatch/kernel/inet_diag_source.h"
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

}  // namespace

Result<std::unique_ptr<Scanner>> make_scanner(const Config& config, const Clock& clock,
                                              const PodDirectory* directory) {
  auto opener = make_netlink_opener();
  if (!opener) return tl::unexpected(opener.error());
  auto pods = std::make_unique<NodePods>(
      config.pods.discovery,
      std::make_unique<KubernetesPods>(config.paths.proc, config.paths.cgroup,
                                       make_metadata(config, directory)),
      std::make_unique<StandaloneNamespaces>(config.paths.proc, config.paths.netns));
  return std::make_unique<Scanner>(
      std::move(pods), NamespaceOpener(config.paths.proc), SocketOwners(config.paths.proc),
      std::make_unique<InetDiagSource>(std::move(*opener)),
      ScanSettings{Pacer(config.scan.interval, config.scan.cpu_budget), config.diagnosis}, clock);
}

}  // namespace closewatch
