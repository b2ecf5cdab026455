#pragma once

#include <map>
#include <string>
#include <tuple>

#include "closewatch/pods/pod.h"
#include "closewatch/scan/close_wait_history.h"

namespace closewatch {

/// The histories of all pods, for as long as the pods are there. Belongs to one thread.
class PodHistories {
 public:
  /// Begins to remember the pods that are new in `list` and forgets those that have gone from it. A
  /// list with errors may lack pods that will be back, so those that are missing from it are
  /// remembered for 60 such lists.
  void follow(const PodList& list);

  /// Of a pod of the last list.
  CloseWaitHistory& of(const Pod& pod) { return entries_.at(key_of(pod)).history; }

 private:
  /// Who a pod is through all scans; a uid alone is an inode number without Kubernetes.
  using Key = std::tuple<std::string, std::string, std::string>;
  struct Entry {
    CloseWaitHistory history;
    unsigned missing = 0;  ///< in so many lists since it was last in one
  };

  static Key key_of(const Pod& pod) { return {pod.pod_namespace, pod.name, pod.uid}; }

  std::map<Key, Entry> entries_;
  bool has_followed_ = false;
};

}  // namespace closewatch
