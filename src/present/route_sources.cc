// SPDX-License-Identifier: Apache-2.0
#include "closewatch/present/route_sources.h"

#include "closewatch/base/build_info.h"

namespace closewatch {

AgentFacts agent_facts(const RouteSources& sources) {
  return {build_version(),  build_compiler(), sources.started_at,  sources.process_stats(),
          build_revision(), build_date(),     sources.web_facts(), sources.confinement};
}

}  // namespace closewatch
