// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "closewatch/confinement/confinement.h"
#include "closewatch/node/process_stats.h"
#include "closewatch/web/web_facts.h"

namespace closewatch {

/// What the agent tells of itself beside the snapshot.
struct AgentFacts {
  std::string version;
  std::string compiler;
  std::chrono::system_clock::time_point started_at;
  ProcessStats process;
  std::string revision{};  ///< see build_info.h; it and `date` are empty when unknown
  std::string date{};
  std::optional<web::WebFacts> web{};  ///< nullopt: everybody is let in
  std::optional<Confinement>
      confinement{};  ///< of the process that answers; nullopt: there is none
};

}  // namespace closewatch
