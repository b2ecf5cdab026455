#include "closewatch/kubernetes/pod_objects.h"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "closewatch/base/printable.h"
#include "closewatch/kubernetes/object_name.h"
#include "kubernetes/workload.h"

namespace closewatch {
namespace {

namespace json = boost::json;

constexpr std::int64_t kGoneCode = 410;
constexpr std::size_t kMaxMessage = 300;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

/// The member of that name as an object, nullptr when there is none.
const json::object* object_at(const json::object& object, std::string_view name) {
  const auto* const value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

/// The member of that name as text, empty when there is none.
std::string_view text_at(const json::object& object, std::string_view name) {
  const auto* const value = object.if_contains(name);
  const auto* const text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : view(*text);
}

std::string_view text_at(const json::object* object, std::string_view name) {
  return object == nullptr ? std::string_view() : text_at(*object, name);
}

Result<json::object> parse_object(std::string_view text) {
  constexpr std::size_t kJsonDepth = 64;  // managedFields nests deeper than the parser's default
  json::parse_options options;
  options.max_depth = kJsonDepth;
  boost::system::error_code error;
  auto value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return fail(ErrorKind::kMalformed, "no JSON (" + error.message() + ")");
  if (!value.is_object()) return fail(ErrorKind::kMalformed, "JSON, but no object");
  return std::move(value.get_object());
}

/// Kinds of owners may be anybody's, but are identifiers.
bool is_controller(const json::object& owner) {
  const auto* const controller = owner.if_contains("controller");
  return controller != nullptr && controller->is_bool() && controller->get_bool() &&
         is_object_name(text_at(owner, "kind")) && is_object_name(text_at(owner, "name"));
}

Workload workload_in(const json::object& metadata) {
  const auto* const owners = metadata.if_contains("ownerReferences");
  if (owners == nullptr || !owners->is_array()) return {};
  for (const auto& owner : owners->get_array()) {
    if (!owner.is_object() || !is_controller(owner.get_object())) continue;
    return workload_of(text_at(owner.get_object(), "kind"), text_at(owner.get_object(), "name"),
                       text_at(object_at(metadata, "labels"), "pod-template-hash"));
  }
  return {};
}

Result<PodObject> pod_in(const json::object& object) {
  const auto* const metadata = object_at(object, "metadata");
  if (metadata == nullptr) return fail(ErrorKind::kMalformed, "a pod without metadata");
  const auto pod_namespace = text_at(*metadata, "namespace");
  const auto name = text_at(*metadata, "name");
  const auto uid = text_at(*metadata, "uid");
  if (!is_object_name(pod_namespace) || !is_object_name(name) || !is_object_name(uid)) {
    return fail(ErrorKind::kMalformed, "a pod without a proper namespace, name or uid");
  }
  auto workload = workload_in(*metadata);
  return PodObject{
      std::string(uid),
      std::string(text_at(object_at(*metadata, "annotations"), "kubernetes.io/config.hash")),
      {std::string(pod_namespace), std::string(name), std::move(workload.kind),
       std::move(workload.name)}};
}

std::string resource_version_in(const json::object& object) {
  return std::string(text_at(object_at(object, "metadata"), "resourceVersion"));
}

std::string message_in(const json::object& status) {
  return printable(std::string(text_at(status, "message").substr(0, kMaxMessage)));
}

WatchEvent status_event(const json::object& status) {
  WatchEvent event;
  const auto* const code = status.if_contains("code");
  const bool gone = code != nullptr && code->is_int64() && code->get_int64() == kGoneCode;
  event.kind = gone ? WatchEvent::Kind::kGone : WatchEvent::Kind::kError;
  event.message = message_in(status);
  return event;
}

}  // namespace

Result<PodPage> parse_pod_page(std::string_view text) {
  const auto list = parse_object(text);
  if (!list) return tl::unexpected(list.error());
  PodPage page;
  page.resource_version = resource_version_in(*list);
  if (page.resource_version.empty()) {
    return fail(ErrorKind::kMalformed, "a list without a resourceVersion");
  }
  page.next = text_at(object_at(*list, "metadata"), "continue");
  const auto* const items = list->if_contains("items");
  if (items == nullptr || items->is_null()) return page;  // Go's empty slice
  if (!items->is_array()) return fail(ErrorKind::kMalformed, "a list whose items are no array");
  page.pods.reserve(items->get_array().size());
  for (const auto& item : items->get_array()) {
    if (!item.is_object()) return fail(ErrorKind::kMalformed, "an item that is no object");
    auto pod = pod_in(item.get_object());
    if (!pod) return tl::unexpected(pod.error());
    page.pods.push_back(std::move(*pod));
  }
  return page;
}

Result<WatchEvent> parse_watch_event(std::string_view text) {
  const auto line = parse_object(text);
  if (!line) return tl::unexpected(line.error());
  const auto type = text_at(*line, "type");
  const auto* const object = object_at(*line, "object");
  if (object == nullptr) return fail(ErrorKind::kMalformed, "an event without an object");
  if (type == "ERROR") return status_event(*object);

  WatchEvent event;
  event.resource_version = resource_version_in(*object);
  if (event.resource_version.empty()) {
    return fail(ErrorKind::kMalformed, "an event without a resourceVersion");
  }
  if (type == "BOOKMARK") {
    event.kind = WatchEvent::Kind::kBookmark;
    return event;
  }
  if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
    return fail(ErrorKind::kMalformed, "an event of an unknown type");
  }
  event.kind = type == "DELETED" ? WatchEvent::Kind::kDeleted : WatchEvent::Kind::kPut;
  auto pod = pod_in(*object);
  if (!pod) return tl::unexpected(pod.error());
  event.pod = std::move(*pod);
  return event;
}

std::string parse_status_message(std::string_view text) {
  const auto status = parse_object(text);
  return status ? message_in(*status) : std::string();
}

}  // namespace closewatch
