#include "closewatch/app/routes.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "closewatch/app/build_info.h"
#include "closewatch/app/live_page.h"
#include "closewatch/base/printable.h"
#include "closewatch/export/prometheus_text.h"
#include "closewatch/export/snapshot_json.h"
#include "closewatch/export/snapshot_tsv.h"

namespace closewatch {
namespace {

AgentFacts agent_facts(const RouteSources& sources) {
  return {build_version(), build_compiler(), sources.started_at, read_process_stats()};
}

http::Response metrics(const RouteSources& sources) {
  const auto snapshot = sources.snapshots.last();
  return {
      .content_type = kPrometheusContentType,
      .body = prometheus_text(snapshot.get(), sources.clock.steady_now(), agent_facts(sources))};
}

http::Response healthz(const RouteSources& sources) {
  if (sources.alive()) return {.body = "ok\n"};
  return {.status = 503, .body = "the scan loop has stopped making progress\n"};
}

http::Response readyz(const RouteSources& sources) {
  if (sources.snapshots.last() != nullptr) return {.body = "ok\n"};
  return {.status = 503, .body = "the first scan is not done yet\n"};
}

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
  auto listing = list_sockets(pods, sources.owners_of);
  if (snapshot.stale_at(sources.clock.steady_now())) {
    listing.visibility = Visibility::kStale;
    listing.detail = "the last scan is too long ago";
  }
  if (form == Form::kTsv) return {.content_type = kTsvContentType, .body = sockets_tsv(listing)};
  return {.content_type = kJsonContentType, .body = listing_json(snapshot, listing)};
}

http::Response api_agent(const RouteSources& sources, const Snapshot& snapshot) {
  return {.content_type = kTsvContentType,
          .body = agent_tsv(snapshot, sources.clock.steady_now(), sources.clock.wall_now(),
                            agent_facts(sources))};
}

http::Response api(const RouteSources& sources, const http::Request& request) {
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

http::Response answer(const RouteSources& sources, LivePage& page, const http::Request& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {.status = 405, .body = "only GET and HEAD\n"};
  }
  if (request.path == sources.telemetry_path) return metrics(sources);
  if (request.path == "/healthz") return healthz(sources);
  if (request.path == "/readyz") return readyz(sources);
  if (!request.segments.empty() && request.segments.front() == "api") return api(sources, request);
  if (!request.segments.empty() && request.segments.front() == "page") {
    return page.below(request.segments);
  }
  if (request.path == "/") return page.overview();
  return {.status = 404, .body = "not found; see /\n"};
}

}  // namespace

http::Handler make_routes(RouteSources sources) {
  // A std::function can be copied, so what it owns is shared.
  struct Routes {
    explicit Routes(RouteSources from) : sources(std::move(from)), page(sources) {}
    RouteSources sources;
    LivePage page;
  };
  return [routes = std::make_shared<Routes>(std::move(sources))](const http::Request& request) {
    return answer(routes->sources, routes->page, request);
  };
}

}  // namespace closewatch
