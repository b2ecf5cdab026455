// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/pod_metadata.h"

namespace closewatch {

/// So many pods of a node are taken from the API server, far more than a kubelet runs.
inline constexpr std::size_t kMostPods = 8192;

/// One pod as the API server knows it.
struct PodObject {
  std::string uid;
  /// Annotation kubernetes.io/config.hash of a static pod's mirror: the uid that the kubelet uses
  /// in cgroups and log directories. Empty for others, unless somebody wrote one there.
  std::string config_hash;
  PodMetadata metadata;

  bool operator==(const PodObject&) const = default;
};

/// One page of a list of pods.
struct PodPage {
  std::vector<PodObject> pods;
  std::string resource_version;  ///< where a watch goes on from
  std::string next;              ///< the continue token of the next page; empty on the last
};

/// One line of a watch.
struct WatchEvent {
  enum class Kind : std::uint8_t {
    kPut,       ///< added or modified
    kDeleted,   ///<
    kBookmark,  ///< nothing but a later resource version
    kGone,      ///< the resource version is too old (410): list again
    kError,     ///< any other Status; `message` says which
  };
  Kind kind{};
  PodObject pod;                 ///< of kPut and kDeleted
  std::string resource_version;  ///< of kPut, kDeleted and kBookmark
  std::string message;           ///< of kGone and kError
};

// The API server's JSON, as values. It is read as it comes, and nothing of it is kept but what is
// asked for: a page of 60 MB costs no more memory than one of 60 kB with as many pods. Names longer
// than Kubernetes allows, and versions and tokens longer than any server makes, are errors. All
// take whole Pods as well as PartialObjectMetadata, which has all that is needed: the workload is
// in owner references and labels, and whether a pod is hostNetwork its namespace tells. Container
// ids would need a Pod's whole status; the kubelet's log directories tell them for nothing.
// Errors: kMalformed; kOverLimit for more pods than may be. Not thread-safe.

/// Reads one page.
class PodPageReader {
 public:
  explicit PodPageReader(std::size_t most_pods = kMostPods);
  PodPageReader(PodPageReader&& other) noexcept;
  PodPageReader& operator=(PodPageReader&& other) noexcept;
  PodPageReader(const PodPageReader&) = delete;
  PodPageReader& operator=(const PodPageReader&) = delete;
  ~PodPageReader();

  /// After an error nothing more may be fed.
  Result<void> feed(std::string_view piece);
  /// What was fed, which must be a whole page.
  Result<PodPage> page() &&;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

/// Reads the lines of a watch.
class WatchReader {
 public:
  using OnEvent = std::function<Result<void>(const WatchEvent&)>;

  WatchReader();
  WatchReader(WatchReader&& other) noexcept;
  WatchReader& operator=(WatchReader&& other) noexcept;
  WatchReader(const WatchReader&) = delete;
  WatchReader& operator=(const WatchReader&) = delete;
  ~WatchReader();

  /// Calls `on_event` with each event whose line ends in `piece`, until one fails.
  Result<void> feed(std::string_view piece, const OnEvent& on_event);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

/// The message of a Status, as an error's body has it; empty when it is none. Pure.
std::string parse_status_message(std::string_view text);

}  // namespace closewatch
