// SPDX-License-Identifier: Apache-2.0
#include "bench/layout_cost.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/cgroup_pod.h"
#include "tests/support/fake_tree.h"
#include "tests/support/network_namespace.h"
#include <fmt/format.h>

#include "bench/cpu.h"

namespace closewatch::bench {
namespace {

using testing::AgentScanner;
using testing::CgroupPod;
using testing::FakeTree;
using testing::NetworkNamespace;

/// Hierarchies below `root` that have processes of their own.
std::vector<std::string> hierarchies(const std::string& root, bool v1, bool v2) {
  std::vector<std::string> found;
  if (!std::filesystem::exists(root + "/unified")) return v2 ? std::vector{root} : found;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_symlink() || !std::filesystem::exists(entry.path() / "cgroup.procs")) continue;
    const bool unified = entry.path().filename() == "unified";
    // A process may enter a cpuset only once that has CPUs.
    if (entry.path().filename() == "cpuset") continue;
    if (unified ? v2 : v1) found.push_back(entry.path());
  }
  return found;
}

/// Pods of one container, each with a namespace and one process, in some hierarchies.
class SilentPods {
 public:
  SilentPods(std::size_t pods, const std::vector<std::string>& roots) {
    for (std::size_t i = 0; i < pods; ++i) {
      const auto& space =
          *spaces_.emplace_back(std::make_unique<NetworkNamespace>("silent" + std::to_string(i)));
      for (const auto& root : roots) {
        auto& pod = *pods_.emplace_back(
            std::make_unique<CgroupPod>(logs_, "silent" + std::to_string(i), root));
        std::ofstream(pod.add_container("app") + "/cgroup.procs") << space.resident() << std::flush;
      }
    }
  }
  SilentPods(const SilentPods&) = delete;
  SilentPods& operator=(const SilentPods&) = delete;
  ~SilentPods() {
    spaces_.clear();  // whose processes keep the cgroups
    pods_.clear();
  }

  [[nodiscard]] Config config(const std::string& cgroup) const {
    auto config = AgentScanner::config_for(PodDiscovery::kKubernetes);
    config.scan.engine = EngineChoice::kBpf;
    config.paths.cgroup = cgroup;
    config.paths.pod_logs = logs_.path() + "/pods";
    config.paths.container_logs = logs_.path() + "/containers";
    return config;
  }

 private:
  FakeTree logs_;
  std::vector<std::unique_ptr<NetworkNamespace>> spaces_;
  std::vector<std::unique_ptr<CgroupPod>> pods_;
};

Seconds scan_cost(std::size_t pods, const std::vector<std::string>& roots,
                  const std::string& cgroup) {
  const SilentPods silent(pods, roots);
  AgentScanner scanner(silent.config(cgroup));
  scanner.scan();
  scanner.scan();
  return Seconds(median_of_each({[&] { scanner.scan(); }}).front());
}

void print_row(const std::string& layout, const std::vector<std::string>& roots,
               const std::string& cgroup) {
  constexpr std::size_t kPods = 100;
  if (roots.empty()) return;
  const auto none = scan_cost(1, roots, cgroup);
  const auto all = scan_cost(kPods + 1, roots, cgroup);
  fmt::print("| {} | {} | {} | {} | {:.0f} µs |\n", layout, roots.size(), milliseconds(none),
             milliseconds(all), 1e6 * (all - none).count() / kPods);
  (void)std::fflush(stdout);
}

}  // namespace

void print_layout_cost() {
  const std::string root = "/sys/fs/cgroup";
  fmt::print(
      "| cgroups | hierarchies | 1 pod, ms | 101 pods, ms | a pod |\n|---|---|---|---|---|\n");
  print_row("v2", hierarchies(root, false, true), testing::cgroup_root());
  if (testing::cgroup_root() == root) return;
  print_row("v1", hierarchies(root, true, false), root);
  print_row("hybrid", hierarchies(root, true, true), root);
}

}  // namespace closewatch::bench
