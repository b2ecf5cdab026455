// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "closewatch/diagnosis/close_wait_history.h"
#include "closewatch/diagnosis/descriptor_history.h"
#include "closewatch/diagnosis/held_history.h"
#include "closewatch/diagnosis/trend.h"
#include "closewatch/events/tcp_event_history.h"
#include "closewatch/pods/pod.h"

namespace closewatch {

/// The histories of all pods, for as long as the pods are there. Belongs to one thread.
class PodHistories {
 public:
  /// `looks_for_held`: what has left CLOSE_WAIT is looked for among what is held.
  explicit PodHistories(bool looks_for_held = false) : looks_for_held_(looks_for_held) {}

  /// Begins to remember the pods that are new in `list` and forgets those that have gone from it. A
  /// list with errors may lack pods, so those that are missing from it are remembered for 60 such
  /// lists, and until there has been a whole one no pod counts as newborn.
  void follow(const PodList& list);

  /// Of a pod of the last list.
  CloseWaitHistory& of(const Pod& pod) { return entries_.find(key_of(pod))->second.history; }
  /// Of any pod; nullptr when it is not remembered.
  Trend* trend_of(const Pod& pod);
  /// Likewise.
  DescriptorHistory* descriptors_of(const Pod& pod);
  HeldHistory* held_of(const Pod& pod);
  TcpEventHistory* events_of(const Pod& pod);

 private:
  /// Who a pod is through all scans: its uid, as its name may become known later. Without
  /// Kubernetes a uid may be that of a container with several namespaces, or an inode number, which
  /// is reused; so the namespace's inode number, too, and its file, where it has one.
  struct Key {
    ino_t inode = 0;
    std::string uid;
    std::string file;
  };
  /// Likewise, while the pod lives: to be looked for without copying.
  struct KeyView {
    ino_t inode = 0;
    std::string_view uid;
    std::string_view file;
  };
  struct ByKey {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's name
    bool operator()(const auto& a, const auto& b) const {
      return std::tuple<ino_t, std::string_view, std::string_view>(a.inode, a.uid, a.file) <
             std::tuple<ino_t, std::string_view, std::string_view>(b.inode, b.uid, b.file);
    }
  };
  struct Entry {
    CloseWaitHistory history;
    Trend trend{};
    DescriptorHistory descriptors{};
    HeldHistory held;
    TcpEventHistory events{};
    unsigned missing = 0;  ///< in so many lists since it was last in one
  };

  static KeyView key_of(const Pod& pod);
  Entry* entry_of(const Pod& pod);
  template <typename Part>
  Part* part_of(const Pod& pod, Part Entry::*part) {
    auto* const entry = entry_of(pod);
    return entry == nullptr ? nullptr : &(entry->*part);
  }

  std::map<Key, Entry, ByKey> entries_;
  bool looks_for_held_;
  bool has_followed_ = false;  ///< a list that was whole
};

}  // namespace closewatch
