// SPDX-License-Identifier: Apache-2.0
#include "closewatch/api/api_routes.h"

#include <cstdint>
#include <memory>
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

const char* content_type_of(Form form) {
  return form == Form::kTsv ? kTsvContentType : kJsonContentType;
}

http::Response api_pods(const RouteSources& sources, WrittenDown& written, Form form) {
  const auto write = [&](const WrittenDown::State& state) {
    const auto now = sources.clock.steady_now();
    return form == Form::kTsv ? pods_tsv(*state.snapshot, now)
                              : snapshot_json(*state.snapshot, {}, now);
  };
  return {.content_type = content_type_of(form),
          .body = {},
          .front = written.get(form == Form::kTsv ? "pods.tsv" : "pods", write)};
}

void api_sockets(const RouteSources& sources, WrittenDown& written,
                 const std::shared_ptr<const Snapshot>& snapshot, Form form,
                 const std::string& pod_namespace, const std::string& name,
                 const http::Reply& reply) {
  if (!sources.socket_detail) {
    return reply(
        refusal(form, 403, "single sockets are not listed here: api.socket_detail is false"));
  }
  if (find_namesakes(*snapshot, pod_namespace, name).empty()) {
    return reply(refusal(form, 404, fmt::format("no pod {}/{} on this node", pod_namespace, name)));
  }
  const auto key = (form == Form::kTsv ? "sockets.tsv " : "sockets ") + pod_namespace + "/" + name;
  if (auto known = written.find(key)) {
    return reply({.content_type = content_type_of(form), .body = {}, .front = std::move(known)});
  }
  sources.list_sockets(
      snapshot, pod_namespace, name,
      [&sources, &written, snapshot, form, key, reply](const SocketListings::Listing& found) {
        const Shown shown(*snapshot, sources.clock.steady_now());
        const auto listing = shown.of(*found);
        auto text = form == Form::kTsv ? sockets_tsv(listing) : listing_json(*snapshot, listing);
        reply({.content_type = content_type_of(form),
               .body = {},
               .front = written.keep(snapshot.get(), key, std::move(text))});
      });
}

http::Response api_agent(const RouteSources& sources, const Snapshot& snapshot) {
  return {.content_type = kTsvContentType,
          .body = agent_tsv(snapshot, sources.clock.steady_now(), sources.clock.wall_now(),
                            agent_facts(sources))};
}

}  // namespace

void ApiRoutes::answer(const http::Request& request, const http::Reply& reply) {
  // api, v1, pods[, NAMESPACE, POD, sockets], or api, v1, agent
  const auto& path = request.segments;
  constexpr std::string_view kTsvSuffix = ".tsv";
  std::string_view last = path.back();
  const auto form = last.ends_with(kTsvSuffix) ? Form::kTsv : Form::kJson;
  if (form == Form::kTsv) last.remove_suffix(kTsvSuffix.size());

  const auto snapshot = written_.follow().snapshot;
  if (snapshot == nullptr) return reply(refusal(form, 503, "the first scan is not done yet"));
  if (path.size() >= 3 && path[1] == "v1") {
    if (path.size() == 3 && last == "pods") return reply(api_pods(sources_, written_, form));
    if (path.size() == 3 && path[2] == "agent.tsv") return reply(api_agent(sources_, *snapshot));
    if (path.size() == 6 && path[2] == "pods" && last == "sockets") {
      return api_sockets(sources_, written_, snapshot, form, path[3], path[4], reply);
    }
  }
  reply(refusal(form, 404, "not found; see /"));
}

}  // namespace closewatch
