#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/pod_metadata.h"

namespace closewatch {

/// One pod as the API server knows it.
struct PodObject {
  std::string uid;
  /// Annotation kubernetes.io/config.hash of a static pod's mirror: the uid that the kubelet uses
  /// in cgroups and log directories. Empty for others.
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

/// The API server's JSON, as values. Both take whole Pods as well as PartialObjectMetadata, which
/// has all that is needed: the workload is in owner references and labels, and whether a pod is
/// hostNetwork its namespace tells. Container ids would need a Pod's whole status; the kubelet's
/// log directories tell them for nothing. Pure; an error is kMalformed.
Result<PodPage> parse_pod_page(std::string_view text);
Result<WatchEvent> parse_watch_event(std::string_view text);

/// The message of a Status, as an error's body has it; empty when it is none.
std::string parse_status_message(std::string_view text);

}  // namespace closewatch
