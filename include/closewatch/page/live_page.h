#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/http/message.h"
#include "closewatch/present/route_sources.h"

namespace closewatch {

/// Answers "/" and all below "/page". What it has written down of a snapshot it keeps until the
/// next one, packed as well, so that many open pages cost little more than one: at most 8 pages.
/// Belongs to the server's thread.
class LivePage {
 public:
  /// `sources` must outlive it.
  explicit LivePage(const RouteSources& sources) : sources_(sources) {}

  http::Response overview();
  /// `segments`: of a path that begins with "page".
  http::Response below(const std::vector<std::string>& segments);

 private:
  /// All that a page shows comes out of these, but for the process's own numbers.
  struct State {
    std::shared_ptr<const Snapshot> snapshot;
    bool stale = false;
    bool alive = true;

    bool operator==(const State&) const = default;
  };
  struct Page {
    std::string html;
    std::string packed;
  };

  void follow();
  http::Response pod(const std::string& pod_namespace, const std::string& name);
  http::Response answer(const Page& page) const;
  const Page& keep(const std::string& key, std::string html);

  const RouteSources& sources_;
  State state_;
  std::map<std::string, Page> pages_;  ///< by what they show: "" the overview, "NAMESPACE/POD"
};

}  // namespace closewatch
