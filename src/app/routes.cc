#include "app/routes.h"

#include <memory>
#include <utility>

#include "closewatch/api/api_routes.h"
#include "closewatch/base/printable.h"
#include "closewatch/metrics/prometheus_text.h"
#include "closewatch/page/live_page.h"
#include "closewatch/present/written_down.h"

namespace closewatch {
namespace {

/// What the snapshot tells is written down once; the agent's own numbers are of now.
http::Response metrics(const RouteSources& sources, const MetricFilter& without,
                       WrittenDown& written) {
  return {.content_type = kPrometheusContentType,
          .body = agent_text(agent_facts(sources)),
          .front = written.get("metrics",
                               [&](const WrittenDown::State& state) {
                                 return state.snapshot == nullptr
                                            ? std::string()
                                            : snapshot_text(*state.snapshot,
                                                            sources.clock.steady_now(), without);
                               }),
          .always = true};
}

http::Response healthz(const RouteSources& sources) {
  if (sources.alive()) return {.body = "ok\n"};
  return {.status = 503, .body = "the scan loop has stopped making progress\n"};
}

http::Response readyz(const RouteSources& sources) {
  if (sources.snapshots.last() != nullptr) return {.body = "ok\n"};
  return {.status = 503, .body = "the first scan is not done yet\n"};
}

constexpr std::size_t kMostOfHost = 300;

struct Routes {
  Routes(RouteSources from, const MetricFilter& leave_out)
      : sources(std::move(from)), without(leave_out) {}

  void answer(const http::Request& request, const http::Reply& reply) {
    if (request.method != "GET" && request.method != "HEAD") {
      return reply({.status = 405, .body = "only GET and HEAD\n"});
    }
    // Probes tell nothing that anybody may not know, and come by any name.
    if (request.path == "/healthz") return reply(healthz(sources));
    if (request.path == "/readyz") return reply(readyz(sources));
    if (!request.host.empty() && !sources.allows_host(request.host)) {
      return reply({.status = 421,
                    .body = "this agent does not go by the name " +
                            printable(request.host.substr(0, kMostOfHost)) +
                            "; web.allowed-hosts lets it be asked so\n"});
    }
    if (request.path == sources.telemetry_path) return reply(metrics(sources, without, written));
    if (!request.segments.empty() && request.segments.front() == "api") {
      return api.answer(request, reply);
    }
    if (!request.segments.empty() && request.segments.front() == "page") {
      return page.below(request.segments, reply);
    }
    if (request.path == "/") return reply(page.overview());
    reply({.status = 404, .body = "not found; see /\n"});
  }

  RouteSources sources;
  MetricFilter without;
  WrittenDown written{sources};
  ApiRoutes api{sources, written};
  LivePage page{sources, written};
};

}  // namespace

http::Handler make_routes(RouteSources sources, const MetricFilter& without) {
  // A std::function can be copied, so what it owns is shared.
  return [routes = std::make_shared<Routes>(std::move(sources), without)](
             const http::Request& request, const http::Reply& reply) {
    routes->answer(request, reply);
  };
}

}  // namespace closewatch
