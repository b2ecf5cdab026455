#pragma once

#include <map>
#include <string>
#include <utility>

#include "closewatch/pods/pod.h"
#include "closewatch/scan/close_wait_history.h"
#include "closewatch/scan/trend.h"

namespace closewatch {

/// The histories of all pods, for as long as the pods are there. Belongs to one thread.
class PodHistories {
 public:
  /// Begins to remember the pods that are new in `list` and forgets those that have gone from it. A
  /// list with errors may lack pods, so those that are missing from it are remembered for 60 such
  /// lists, and until there has been a whole one no pod counts as newborn.
  void follow(const PodList& list);

  /// Of a pod of the last list.
  CloseWaitHistory& of(const Pod& pod) { return entries_.at(key_of(pod)).history; }
  /// Likewise.
  Trend& trend_of(const Pod& pod) { return entries_.at(key_of(pod)).trend; }

 private:
  /// Who a pod is through all scans: its uid, as its name may become known later. Without
  /// Kubernetes a uid may be an inode number, which is reused, or that of a container with several
  /// namespaces; so the namespace's file, too, or its inode number where it has no file.
  using Key = std::pair<std::string, std::string>;
  struct Entry {
    CloseWaitHistory history;
    Trend trend{};
    unsigned missing = 0;  ///< in so many lists since it was last in one
  };

  static Key key_of(const Pod& pod);

  std::map<Key, Entry> entries_;
  bool has_followed_ = false;  ///< a list that was whole
};

}  // namespace closewatch
