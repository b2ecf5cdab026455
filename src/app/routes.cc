#include "app/routes.h"

#include <memory>
#include <utility>

#include "closewatch/api/api_routes.h"
#include "closewatch/metrics/prometheus_text.h"
#include "closewatch/page/live_page.h"

namespace closewatch {
namespace {

http::Response metrics(const RouteSources& sources, const MetricFilter& without) {
  const auto snapshot = sources.snapshots.last();
  return {.content_type = kPrometheusContentType,
          .body = prometheus_text(snapshot.get(), sources.clock.steady_now(), agent_facts(sources),
                                  without)};
}

http::Response healthz(const RouteSources& sources) {
  if (sources.alive()) return {.body = "ok\n"};
  return {.status = 503, .body = "the scan loop has stopped making progress\n"};
}

http::Response readyz(const RouteSources& sources) {
  if (sources.snapshots.last() != nullptr) return {.body = "ok\n"};
  return {.status = 503, .body = "the first scan is not done yet\n"};
}

http::Response answer(const RouteSources& sources, const MetricFilter& without, LivePage& page,
                      const http::Request& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {.status = 405, .body = "only GET and HEAD\n"};
  }
  if (request.path == sources.telemetry_path) return metrics(sources, without);
  if (request.path == "/healthz") return healthz(sources);
  if (request.path == "/readyz") return readyz(sources);
  if (!request.segments.empty() && request.segments.front() == "api")
    return api_answer(sources, request);
  if (!request.segments.empty() && request.segments.front() == "page") {
    return page.below(request.segments);
  }
  if (request.path == "/") return page.overview();
  return {.status = 404, .body = "not found; see /\n"};
}

}  // namespace

http::Handler make_routes(RouteSources sources, const MetricFilter& without) {
  // A std::function can be copied, so what it owns is shared.
  struct Routes {
    Routes(RouteSources from, const MetricFilter& leave_out)
        : sources(std::move(from)), without(leave_out), page(sources) {}
    RouteSources sources;
    MetricFilter without;
    LivePage page;
  };
  return [routes =
              std::make_shared<Routes>(std::move(sources), without)](const http::Request& request) {
    return answer(routes->sources, routes->without, routes->page, request);
  };
}

}  // namespace closewatch
