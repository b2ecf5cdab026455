// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "closewatch/http/message.h"
#include "closewatch/present/route_sources.h"
#include "closewatch/present/written_down.h"

namespace closewatch {

/// Answers "/" and all below "/page". Belongs to the server's thread.
class LivePage {
 public:
  /// Both must outlive it, and all that is asked.
  LivePage(const RouteSources& sources, WrittenDown& written)
      : sources_(sources), written_(written) {}

  http::Response overview();
  /// `segments`: of a path that begins with "page".
  void below(const std::vector<std::string>& segments, const http::Reply& reply);

 private:
  void pod(const std::string& pod_namespace, const std::string& name, const http::Reply& reply);
  [[nodiscard]] http::Response answer(const Snapshot* snapshot, WrittenDown::Text page) const;

  const RouteSources& sources_;
  WrittenDown& written_;
};

}  // namespace closewatch
