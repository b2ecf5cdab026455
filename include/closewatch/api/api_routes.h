// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closewatch/http/message.h"
#include "closewatch/present/route_sources.h"
#include "closewatch/present/written_down.h"

namespace closewatch {

/// Answers everything below /api. Nothing here scans. Belongs to the server's thread.
class ApiRoutes {
 public:
  /// Both must outlive it, and all that is asked.
  ApiRoutes(const RouteSources& sources, WrittenDown& written)
      : sources_(sources), written_(written) {}

  void answer(const http::Request& request, const http::Reply& reply);

 private:
  const RouteSources& sources_;
  WrittenDown& written_;
};

}  // namespace closewatch
