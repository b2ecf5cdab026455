#include "closewatch/kubernetes/pod_objects.h"

#include "tests/fuzz/fuzz.h"

#include "closewatch/kubernetes/object_name.h"

namespace closewatch::fuzz {
namespace {

void require_proper(const PodObject& pod) {
  const auto& [uid, config_hash, metadata] = pod;
  require(is_object_name(uid) && is_object_name(metadata.pod_namespace) &&
              is_object_name(metadata.name),
          "a pod's names are fit for labels");
  require(metadata.workload.empty() == metadata.workload_kind.empty(),
          "a workload has a kind and a name");
  require(metadata.workload.empty() ||
              (is_object_name(metadata.workload) && is_object_name(metadata.workload_kind)),
          "a workload's names are fit for labels");
}

}  // namespace

/// A page of a list, a line of a watch, a refusal: each takes each for what it is not.
void attempt(std::string_view input) {
  if (const auto page = parse_pod_page(input)) {
    for (const auto& pod : page->pods) require_proper(pod);
    require(!page->resource_version.empty(), "a watch can go on from a page");
  } else {
    require(is_printable(page.error().what), "an error is fit for a log");
  }
  if (const auto event = parse_watch_event(input)) {
    const bool is_pod =
        event->kind == WatchEvent::Kind::kPut || event->kind == WatchEvent::Kind::kDeleted;
    if (is_pod) require_proper(event->pod);
    require(is_printable(event->message), "a message is fit for a log");
  } else {
    require(is_printable(event.error().what), "an error is fit for a log");
  }
  require(is_printable(parse_status_message(input)), "a refusal's message is fit for a log");
}

}  // namespace closewatch::fuzz
