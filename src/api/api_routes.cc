#include "closewatch/api/api_routes.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/snapshot_tsv.h"
#include "closewatch/api/snapshot_json.h"
#include "closewatch/base/printable.h"
#include "closewatch/present/shown.h"

namespace closewatch {
namespace {

constexpr const char* kJsonContentType = "application/json";

/// How a route of the API answers; the last segment of its path tells: "pods" is JSON, "pods.tsv"
/// tab-separated.
enum class Form : std::uint8_t { kJson, kTsv };

/// `sentence` may hold what was asked for, any bytes. Programs that read no JSON get the bare
/// sentence.
http::Response refusal(Form form, unsigned status, std::string sentence) {
  sentence = printable(std::move(sentence));
  if (form == Form::kTsv) return {.status = status, .body = sentence + "\n"};
  const boost::json::object body{{"error", sentence}};
  return {.status = status,
          .content_type = kJsonContentType,
          .body = boost::json::serialize(body) + "\n"};
}

http::Response api_pods(const RouteSources& sources, const Snapshot& snapshot, Form form) {
  const auto now = sources.clock.steady_now();
  if (form == Form::kTsv) return {.content_type = kTsvContentType, .body = pods_tsv(snapshot, now)};
  return {.content_type = kJsonContentType, .body = snapshot_json(snapshot, {}, now)};
}

http::Response api_sockets(const RouteSources& sources, const Snapshot& snapshot, Form form,
                           const std::string& pod_namespace, const std::string& name) {
  if (!sources.socket_detail) {
    return refusal(form, 403, "single sockets are not listed here: api.socket_detail is false");
  }
  const auto pods = find_namesakes(snapshot, pod_namespace, name);
  if (pods.empty()) {
    return refusal(form, 404, fmt::format("no pod {}/{} on this node", pod_namespace, name));
  }
  const Shown shown(snapshot, sources.clock.steady_now());
  const auto listing = shown.of(list_sockets(pods, sources.owners_of));
  if (form == Form::kTsv) return {.content_type = kTsvContentType, .body = sockets_tsv(listing)};
  return {.content_type = kJsonContentType, .body = listing_json(snapshot, listing)};
}

http::Response api_agent(const RouteSources& sources, const Snapshot& snapshot) {
  return {.content_type = kTsvContentType,
          .body = agent_tsv(snapshot, sources.clock.steady_now(), sources.clock.wall_now(),
                            agent_facts(sources))};
}

}  // namespace

http::Response api_answer(const RouteSources& sources, const http::Request& request) {
  // api, v1, pods[, NAMESPACE, POD, sockets], or api, v1, agent
  const auto& path = request.segments;
  constexpr std::string_view kTsvSuffix = ".tsv";
  std::string_view last = path.back();
  const auto form = last.ends_with(kTsvSuffix) ? Form::kTsv : Form::kJson;
  if (form == Form::kTsv) last.remove_suffix(kTsvSuffix.size());

  const auto snapshot = sources.snapshots.last();
  if (snapshot == nullptr) return refusal(form, 503, "the first scan is not done yet");
  if (path.size() >= 3 && path[1] == "v1") {
    if (path.size() == 3 && last == "pods") return api_pods(sources, *snapshot, form);
    if (path.size() == 3 && path[2] == "agent.tsv") return api_agent(sources, *snapshot);
    if (path.size() == 6 && path[2] == "pods" && last == "sockets") {
      return api_sockets(sources, *snapshot, form, path[3], path[4]);
    }
  }
  return refusal(form, 404, "not found; see /");
}

}  // namespace closewatch
