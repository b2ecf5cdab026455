// SPDX-License-Identifier: Apache-2.0
#include "closewatch/settings/config_file.h"

#include "tests/fuzz/fuzz.h"

#include "closewatch/settings/option_table.h"

namespace closewatch::fuzz {
namespace {

void require_sane(const Config& config) {
  using namespace std::chrono_literals;
  require(config.scan.interval >= 1s && config.scan.interval <= 1h, "an interval is in range");
  require(config.scan.cpu_budget > 0 && config.scan.cpu_budget <= 1, "a budget is in range");
  require(config.diagnosis.peers <= 100, "a number of peers is in range");
  for (const auto& path : {config.paths.proc, config.paths.cgroup, config.paths.pod_logs,
                           config.paths.container_logs, config.web.telemetry_path}) {
    require(path.starts_with('/'), "a path is absolute");
  }
}

}  // namespace

void attempt(std::string_view input) {
  auto config = default_config();
  const auto mistakes = apply_config_text(input, "fuzz.yaml", config);
  if (mistakes.empty()) require_sane(config);
  for (const auto& mistake : mistakes) {
    require(mistake.starts_with("fuzz.yaml"), "a mistake says where it is");
    require(is_printable(mistake), "a mistake is one line");
  }
}

}  // namespace closewatch::fuzz
