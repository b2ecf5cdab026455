// SPDX-License-Identifier: Apache-2.0
#include "closewatch/routes/routes.h"

#include <memory>
#include <optional>
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

/// Probes tell nothing that anybody may not know, and come by any name.
std::optional<http::Response> probe(const RouteSources& sources, const http::Request& request) {
  if (request.path == "/healthz") return healthz(sources);
  if (request.path == "/readyz") return readyz(sources);
  return std::nullopt;
}

std::optional<http::Response> refuse_method(const http::Request& request) {
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
  return http::Response{.status = 405, .body = "only GET and HEAD\n"};
}

constexpr std::size_t kMostOfHost = 300;

struct Routes {
  Routes(RouteSources from, const MetricFilter& leave_out)
      : sources(std::move(from)), without(leave_out) {}

  void answer(const http::Request& request, const http::Reply& reply) {
    if (auto refusal = refuse_method(request)) return reply(std::move(*refusal));
    if (auto told = probe(sources, request)) return reply(std::move(*told));
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

http::Handler make_health_routes(RouteSources sources) {
  return [sources = std::move(sources)](const http::Request& request, const http::Reply& reply) {
    if (auto refusal = refuse_method(request)) return reply(std::move(*refusal));
    if (auto told = probe(sources, request)) return reply(std::move(*told));
    reply({.status = 404, .body = "only /healthz and /readyz are here\n"});
  };
}

}  // namespace closewatch
