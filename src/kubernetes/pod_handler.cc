// SPDX-License-Identifier: Apache-2.0
#include "kubernetes/pod_handler.h"

#include <algorithm>
#include <span>
#include <utility>

#include "closewatch/base/printable.h"
#include "closewatch/kubernetes/object_name.h"

namespace closewatch {
namespace {

using Place = JsonPlace;

constexpr std::int64_t kGoneCode = 410;
constexpr std::size_t kMaxMessage = 300;
constexpr std::size_t kMaxVersion = 256;  // of numbers, as servers make them
constexpr std::size_t kMaxContinue = 4096;

struct Step {
  Place from;
  std::string_view key;
  Place to;
};

constexpr auto kSteps = std::to_array<Step>({
    {Place::kList, "metadata", Place::kListMetadata},
    {Place::kList, "items", Place::kItems},
    {Place::kListMetadata, "resourceVersion", Place::kListVersion},
    {Place::kListMetadata, "continue", Place::kListContinue},
    {Place::kEvent, "type", Place::kEventType},
    {Place::kEvent, "object", Place::kItem},
    {Place::kItem, "metadata", Place::kMetadata},
    {Place::kItem, "code", Place::kStatusCode},
    {Place::kItem, "message", Place::kStatusMessage},
    {Place::kMetadata, "namespace", Place::kNamespace},
    {Place::kMetadata, "name", Place::kName},
    {Place::kMetadata, "uid", Place::kUid},
    {Place::kMetadata, "resourceVersion", Place::kVersion},
    {Place::kMetadata, "labels", Place::kLabels},
    {Place::kMetadata, "annotations", Place::kAnnotations},
    {Place::kMetadata, "ownerReferences", Place::kOwners},
    {Place::kLabels, "pod-template-hash", Place::kTemplateHash},
    {Place::kAnnotations, "kubernetes.io/config.hash", Place::kConfigHash},
    {Place::kOwner, "kind", Place::kOwnerKind},
    {Place::kOwner, "name", Place::kOwnerName},
    {Place::kOwner, "controller", Place::kOwnerController},
});
constexpr std::size_t kLongestKey = 25;  // of these

Place member_of(Place object, std::string_view key) {
  const auto* const step = std::find_if(kSteps.begin(), kSteps.end(), [&](const Step& one) {
    return one.from == object && one.key == key;
  });
  return step == kSteps.end() ? Place::kNowhere : step->to;
}

Place element_of(Place array) {
  if (array == Place::kItems) return Place::kItem;
  if (array == Place::kOwners) return Place::kOwner;
  return Place::kNowhere;
}

/// How much of a text is kept; one byte more than may be, of what is refused when it is longer.
std::size_t room_for(Place place) {
  if (place == Place::kStatusMessage) return kMaxMessage;
  if (place == Place::kListContinue) return kMaxContinue + 1;
  if (place == Place::kListVersion || place == Place::kVersion) return kMaxVersion + 1;
  return kLongestObjectName + 1;
}

std::string_view view(PodHandler::Text text) { return {text.data(), text.size()}; }

Result<void> check_version(const std::string& version, const char* whose) {
  if (version.empty()) {
    return fail(ErrorKind::kMalformed, std::string(whose) + " without a resourceVersion");
  }
  if (version.size() <= kMaxVersion) return {};
  return fail(ErrorKind::kMalformed, std::string(whose) + " with a resourceVersion of more than " +
                                         std::to_string(kMaxVersion) + " bytes");
}

}  // namespace

bool PodHandler::stop(ErrorKind kind, std::string what, ErrorCode& error) {
  trouble_ = Error{kind, std::move(what)};
  error = boost::json::error::exception;
  return false;
}

bool PodHandler::on_document_begin(ErrorCode& /*error*/) {
  depth_ = 0;
  here_ = root_;
  key_.clear();
  return true;
}

/// An array has a next element; an object's next value has a key of its own.
void PodHandler::after_value() {
  const bool in_array = depth_ > 0 && within_.at(depth_ - 1).is_array;
  here_ = in_array ? element_of(within_.at(depth_ - 1).place) : Place::kNowhere;
}

bool PodHandler::begin(bool is_array, ErrorCode& error) {
  if (here_ == root_ && is_array) {
    return stop(ErrorKind::kMalformed, "JSON, but no object", error);
  }
  if (here_ == Place::kItem && is_array) {
    return stop(ErrorKind::kMalformed, "an item that is no object", error);
  }
  if (here_ == Place::kItems && !is_array) {
    return stop(ErrorKind::kMalformed, "a list whose items are no array", error);
  }
  if (here_ == Place::kItem) {
    item_ = {};
    has_item_ = true;
  }
  if (here_ == Place::kMetadata && !is_array) item_.has_metadata = true;
  if (here_ == Place::kOwner) owner_ = {};
  within_.at(depth_++) = {here_, is_array};
  here_ = is_array ? element_of(here_) : Place::kNowhere;
  return true;
}

bool PodHandler::end(ErrorCode& error) {
  const auto ended = within_.at(--depth_);
  after_value();
  if (ended.place == Place::kOwner && !ended.is_array) end_owner();
  if (ended.place == Place::kItem && root_ == Place::kList) return end_item(error);
  return true;
}

bool PodHandler::end_item(ErrorCode& error) {
  auto pod = take_pod();
  if (!pod) return stop(pod.error().kind, pod.error().what, error);
  if (page_.pods.size() >= most_pods_) {
    return stop(ErrorKind::kOverLimit,
                "it tells of more than " + std::to_string(kMostPods) + " pods of this node", error);
  }
  page_.pods.push_back(std::move(*pod));
  return true;
}

/// Kinds of owners may be anybody's, but are identifiers.
void PodHandler::end_owner() {
  const bool counts = owner_.controls && is_object_name(owner_.kind) && is_object_name(owner_.name);
  if (counts && !item_.controller) item_.controller = std::move(owner_);
}

bool PodHandler::on_object_begin(ErrorCode& error) { return begin(false, error); }
bool PodHandler::on_object_end(std::size_t /*count*/, ErrorCode& error) { return end(error); }
bool PodHandler::on_array_begin(ErrorCode& error) { return begin(true, error); }
bool PodHandler::on_array_end(std::size_t /*count*/, ErrorCode& error) { return end(error); }

bool PodHandler::on_key_part(Text part, std::size_t /*size*/, ErrorCode& /*error*/) {
  key_ += view(part).substr(0, kLongestKey + 1 - std::min(key_.size(), kLongestKey + 1));
  return true;
}

bool PodHandler::on_key(Text part, std::size_t size, ErrorCode& error) {
  on_key_part(part, size, error);
  here_ = member_of(within_.at(depth_ - 1).place, key_);
  key_.clear();
  return true;
}

std::string* PodHandler::text_of(Place place) {
  switch (place) {
    case Place::kListVersion:
      return &page_.resource_version;
    case Place::kListContinue:
      return &page_.next;
    case Place::kEventType:
      return &type_;
    case Place::kNamespace:
      return &item_.pod_namespace;
    case Place::kName:
      return &item_.name;
    case Place::kUid:
      return &item_.uid;
    case Place::kVersion:
      return &item_.version;
    case Place::kTemplateHash:
      return &item_.template_hash;
    case Place::kConfigHash:
      return &item_.config_hash;
    case Place::kOwnerKind:
      return &owner_.kind;
    case Place::kOwnerName:
      return &owner_.name;
    case Place::kStatusMessage:
      return &item_.message;
    default:
      return nullptr;
  }
}

bool PodHandler::add_text(Text part, std::size_t size, ErrorCode& /*error*/) {
  auto* const text = text_of(here_);
  if (text == nullptr) return true;
  if (size == part.size()) text->clear();  // its first part
  *text += view(part).substr(0, room_for(here_) - std::min(text->size(), room_for(here_)));
  return true;
}

bool PodHandler::on_string_part(Text part, std::size_t size, ErrorCode& error) {
  return add_text(part, size, error);
}

bool PodHandler::on_string(Text part, std::size_t size, ErrorCode& error) {
  return add_text(part, size, error) && on_scalar(error);
}

bool PodHandler::on_int64(std::int64_t number, Text /*part*/, ErrorCode& error) {
  if (here_ == Place::kStatusCode) item_.code = number;
  return on_scalar(error);
}

bool PodHandler::on_bool(bool value, ErrorCode& error) {
  if (here_ == Place::kOwnerController) owner_.controls = value;
  return on_scalar(error);
}

bool PodHandler::on_null(ErrorCode& error) {
  if (here_ != Place::kItems) return on_scalar(error);
  after_value();  // Go's empty slice
  return true;
}

bool PodHandler::on_scalar(ErrorCode& error) {
  if (here_ == root_) return stop(ErrorKind::kMalformed, "JSON, but no object", error);
  if (here_ == Place::kItems) {
    return stop(ErrorKind::kMalformed, "a list whose items are no array", error);
  }
  if (here_ == Place::kItem && root_ == Place::kList) {
    return stop(ErrorKind::kMalformed, "an item that is no object", error);
  }
  after_value();
  return true;
}

Result<PodObject> PodHandler::take_pod() {
  if (!item_.has_metadata) return fail(ErrorKind::kMalformed, "a pod without metadata");
  if (!is_object_name(item_.pod_namespace) || !is_object_name(item_.name) ||
      !is_object_name(item_.uid)) {
    return fail(ErrorKind::kMalformed,
                "a pod without a proper namespace, name or uid: letters, digits, '-' and '.', " +
                    std::to_string(kLongestObjectName) + " at most");
  }
  Workload workload;
  if (item_.controller) {
    const bool has_hash = is_object_name(item_.template_hash);
    workload = workload_of(item_.controller->kind, item_.controller->name,
                           has_hash ? std::string_view(item_.template_hash) : "");
  }
  if (!is_object_name(item_.config_hash)) item_.config_hash.clear();
  return PodObject{std::move(item_.uid),
                   std::move(item_.config_hash),
                   {std::move(item_.pod_namespace), std::move(item_.name), std::move(workload.kind),
                    std::move(workload.name)}};
}

Result<PodPage> PodHandler::take_page() {
  if (auto version = check_version(page_.resource_version, "a list"); !version) {
    return tl::unexpected(version.error());
  }
  if (page_.next.size() > kMaxContinue) {
    return fail(ErrorKind::kMalformed, "a list with a continue token of more than " +
                                           std::to_string(kMaxContinue) + " bytes");
  }
  return std::exchange(page_, {});
}

std::string PodHandler::take_message() { return printable(std::exchange(item_.message, {})); }

WatchEvent PodHandler::take_status() {
  WatchEvent event;
  event.kind = item_.code == kGoneCode ? WatchEvent::Kind::kGone : WatchEvent::Kind::kError;
  event.message = take_message();
  return event;
}

Result<WatchEvent> PodHandler::take_event() {
  const auto type = std::exchange(type_, {});
  if (!std::exchange(has_item_, false)) {
    return fail(ErrorKind::kMalformed, "an event without an object");
  }
  if (type == "ERROR") return take_status();
  if (auto version = check_version(item_.version, "an event"); !version) {
    return tl::unexpected(version.error());
  }
  WatchEvent event;
  event.resource_version = std::move(item_.version);
  if (type == "BOOKMARK") {
    event.kind = WatchEvent::Kind::kBookmark;
    return event;
  }
  if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
    return fail(ErrorKind::kMalformed, "an event of an unknown type");
  }
  event.kind = type == "DELETED" ? WatchEvent::Kind::kDeleted : WatchEvent::Kind::kPut;
  auto pod = take_pod();
  if (!pod) return tl::unexpected(pod.error());
  event.pod = std::move(*pod);
  return event;
}

}  // namespace closewatch
