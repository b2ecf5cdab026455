// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "closewatch/http/content.h"
#include "closewatch/present/route_sources.h"

namespace closewatch {

/// What has been written down of the last snapshot, until there is another, or it is stale, or the
/// scan loop has stopped: all who ask for the same meanwhile are given the same bytes. It keeps 8
/// texts; others live as long as somebody is given them. Belongs to the server's thread.
class WrittenDown {
 public:
  using Text = std::shared_ptr<const http::Content>;

  /// All that a text tells comes out of these, but for the process's own numbers.
  struct State {
    std::shared_ptr<const Snapshot> snapshot;  ///< null before the first scan is done
    bool stale = false;
    bool alive = true;

    bool operator==(const State&) const = default;
  };

  /// `sources` must outlive it.
  explicit WrittenDown(const RouteSources& sources) : sources_(sources) {}

  /// As of now. Forgets what was written of another.
  const State& follow();
  /// What is known by `key`; null if nothing is.
  Text find(const std::string& key);
  /// Keeps what was written of `snapshot` with that key, if that is still the last one.
  Text keep(const Snapshot* snapshot, const std::string& key, std::string text);
  /// find(), else keep() of the last snapshot.
  Text get(const std::string& key, const std::function<std::string(const State&)>& write);

 private:
  static constexpr std::size_t kMost = 8;

  const RouteSources& sources_;
  State state_;
  std::map<std::string, std::weak_ptr<const http::Content>> known_;
  std::deque<Text> kept_;  ///< the last ones
};

}  // namespace closewatch
