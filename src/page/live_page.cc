// SPDX-License-Identifier: Apache-2.0
#include "closewatch/page/live_page.h"

#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "closewatch/base/seconds.h"
#include "page/page.h"
#include "page/page_assets.h"

namespace closewatch {
namespace {

/// Nothing but this agent's own files, and no script within a page: a name that got through the
/// escaping could still do nothing.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

http::Response guarded(const char* content_type, std::string body) {
  return {.content_type = content_type,
          .body = std::move(body),
          .headers = {{"Content-Security-Policy", kPolicy},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cache-Control", "no-store"}}};
}

http::Response not_found() { return {.status = 404, .body = "not found; see /\n"}; }

}  // namespace

http::Response LivePage::answer(const Snapshot* snapshot, WrittenDown::Text page) const {
  auto response = guarded("text/html; charset=utf-8", {});
  response.front = std::move(page);
  if (snapshot != nullptr) {
    // For the page to tell its age without trusting the browser's clock, and when to ask again.
    const auto text = [](auto duration) { return fmt::format("{:.3f}", seconds(duration)); };
    response.headers.emplace_back("Closewatch-Scan-Age",
                                  text(sources_.clock.steady_now() - snapshot->taken_at_steady));
    response.headers.emplace_back("Closewatch-Scan-Interval", text(snapshot->interval));
  }
  return response;
}

http::Response LivePage::overview() {
  const auto snapshot = written_.follow().snapshot;
  auto page = written_.get("page", [&](const WrittenDown::State& state) {
    const PageFacts facts{agent_facts(sources_), sources_.node, sources_.telemetry_path,
                          state.alive};
    return overview_page(state.snapshot.get(), sources_.clock.steady_now(), facts);
  });
  return answer(snapshot.get(), std::move(page));
}

void LivePage::pod(const std::string& pod_namespace, const std::string& name,
                   const http::Reply& reply) {
  const auto snapshot = written_.follow().snapshot;
  if (snapshot == nullptr) return reply(not_found());
  const auto key = "page " + pod_namespace + "/" + name;
  if (auto known = written_.find(key)) return reply(answer(snapshot.get(), std::move(known)));
  const auto pods = find_namesakes(*snapshot, pod_namespace, name);
  if (pods.empty()) return reply({.status = 404, .body = "no such pod on this node\n"});
  const auto write = [this, snapshot, pods, key, reply](const SocketListing* listing) {
    auto page = pod_page(*snapshot, sources_.clock.steady_now(), pods, listing);
    reply(answer(snapshot.get(), written_.keep(snapshot.get(), key, std::move(page))));
  };
  if (!sources_.socket_detail) return write(nullptr);
  sources_.list_sockets(snapshot, pod_namespace, name,
                        [write](const SocketListings::Listing& listing) { write(listing.get()); });
}

void LivePage::below(const std::vector<std::string>& segments, const http::Reply& reply) {
  if (segments.size() == 2) {
    const auto& file = segments[1];
    if (file == "page.css") {
      return reply(guarded("text/css; charset=utf-8", std::string(page_css())));
    }
    if (file == "page.js") {
      return reply(guarded("text/javascript; charset=utf-8", std::string(page_js())));
    }
    if (file == "icon.svg") return reply(guarded("image/svg+xml", std::string(icon_svg())));
  }
  if (segments.size() == 4 && segments[1] == "pods") return pod(segments[2], segments[3], reply);
  reply(not_found());
}

}  // namespace closewatch
