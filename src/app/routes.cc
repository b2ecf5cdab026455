#include "closewatch/app/routes.h"

#include <memory>
#include <string>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "closewatch/app/build_info.h"
#include "closewatch/app/live_page.h"
#include "closewatch/base/printable.h"
#include "closewatch/export/prometheus_text.h"
#include "closewatch/export/snapshot_json.h"

namespace closewatch {
namespace {

http::Response metrics(const RouteSources& sources) {
  const auto snapshot = sources.snapshots.last();
  const AgentFacts agent{build_version(), build_compiler(), sources.started_at,
                         read_process_stats()};
  return {.content_type = kPrometheusContentType,
          .body = prometheus_text(snapshot.get(), sources.clock.steady_now(), agent)};
}

http::Response healthz(const RouteSources& sources) {
  if (sources.alive()) return {.body = "ok\n"};
  return {.status = 503, .body = "the scan loop has stopped making progress\n"};
}

http::Response readyz(const RouteSources& sources) {
  if (sources.snapshots.last() != nullptr) return {.body = "ok\n"};
  return {.status = 503, .body = "the first scan is not done yet\n"};
}

constexpr const char* kJson = "application/json";

/// `sentence` may hold what was asked for, any bytes.
http::Response json_error(unsigned status, std::string sentence) {
  const boost::json::object body{{"error", printable(std::move(sentence))}};
  return {.status = status, .content_type = kJson, .body = boost::json::serialize(body) + "\n"};
}

http::Response api_pods(const RouteSources& sources, const Snapshot& snapshot) {
  return {.content_type = kJson, .body = snapshot_json(snapshot, {}, sources.clock.steady_now())};
}

http::Response api_sockets(const RouteSources& sources, const Snapshot& snapshot,
                           const std::string& pod_namespace, const std::string& name) {
  if (!sources.socket_detail) {
    return json_error(403, "single sockets are not listed here: api.socket_detail is false");
  }
  const auto pods = find_namesakes(snapshot, pod_namespace, name);
  if (pods.empty()) {
    return json_error(404, fmt::format("no pod {}/{} on this node", pod_namespace, name));
  }
  auto listing = list_sockets(pods, sources.owners_of);
  if (snapshot.stale_at(sources.clock.steady_now())) {
    listing.visibility = Visibility::kStale;
    listing.detail = "the last scan is too long ago";
  }
  return {.content_type = kJson, .body = listing_json(snapshot, listing)};
}

http::Response api(const RouteSources& sources, const http::Request& request) {
  const auto snapshot = sources.snapshots.last();
  if (snapshot == nullptr) return json_error(503, "the first scan is not done yet");
  // api, v1, pods[, NAMESPACE, POD, sockets]
  const auto& path = request.segments;
  if (path.size() >= 3 && path[1] == "v1" && path[2] == "pods") {
    if (path.size() == 3) return api_pods(sources, *snapshot);
    if (path.size() == 6 && path[5] == "sockets") {
      return api_sockets(sources, *snapshot, path[3], path[4]);
    }
  }
  return json_error(404, "not found; see /");
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
