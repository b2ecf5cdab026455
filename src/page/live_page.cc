#include "closewatch/page/live_page.h"

#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "closewatch/base/seconds.h"
#include "closewatch/http/gzip.h"
#include "closewatch/present/shown.h"
#include "page/page.h"
#include "page/page_assets.h"

namespace closewatch {
namespace {

constexpr std::size_t kMostPages = 8;

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

void LivePage::follow() {
  auto snapshot = sources_.snapshots.last();
  const bool stale = snapshot != nullptr && Shown(*snapshot, sources_.clock.steady_now()).stale();
  State state{std::move(snapshot), stale, sources_.alive()};
  if (state == state_) return;
  state_ = std::move(state);
  pages_.clear();
}

const LivePage::Page& LivePage::keep(const std::string& key, std::string html) {
  if (pages_.size() >= kMostPages) pages_.erase(std::prev(pages_.end()));
  auto packed = http::gzip(html);
  return pages_.insert_or_assign(key, Page{std::move(html), std::move(packed)}).first->second;
}

http::Response LivePage::answer(const Page& page) const {
  auto response = guarded("text/html; charset=utf-8", page.html);
  response.packed = page.packed;
  if (state_.snapshot != nullptr) {
    // For the page to tell its age without trusting the browser's clock, and when to ask again.
    const auto text = [](auto duration) { return fmt::format("{:.3f}", seconds(duration)); };
    const auto& snapshot = *state_.snapshot;
    response.headers.emplace_back("Closewatch-Scan-Age",
                                  text(sources_.clock.steady_now() - snapshot.taken_at_steady));
    response.headers.emplace_back("Closewatch-Scan-Interval", text(snapshot.interval));
  }
  return response;
}

http::Response LivePage::overview() {
  follow();
  if (const auto known = pages_.find(""); known != pages_.end()) return answer(known->second);
  const PageFacts facts{agent_facts(sources_), sources_.node, sources_.telemetry_path,
                        state_.alive};
  return answer(keep("", overview_page(state_.snapshot.get(), sources_.clock.steady_now(), facts)));
}

http::Response LivePage::pod(const std::string& pod_namespace, const std::string& name) {
  follow();
  if (state_.snapshot == nullptr) return not_found();
  const auto key = pod_namespace + "/" + name;
  if (const auto known = pages_.find(key); known != pages_.end()) return answer(known->second);
  const auto pods = find_namesakes(*state_.snapshot, pod_namespace, name);
  if (pods.empty()) return {.status = 404, .body = "no such pod on this node\n"};
  const auto now = sources_.clock.steady_now();
  if (!sources_.socket_detail) {
    return answer(keep(key, pod_page(*state_.snapshot, now, pods, nullptr)));
  }
  const auto listing = list_sockets(pods, sources_.owners_of);
  return answer(keep(key, pod_page(*state_.snapshot, now, pods, &listing)));
}

http::Response LivePage::below(const std::vector<std::string>& segments) {
  if (segments.size() == 2) {
    const auto& file = segments[1];
    if (file == "page.css") return guarded("text/css; charset=utf-8", std::string(page_css()));
    if (file == "page.js") return guarded("text/javascript; charset=utf-8", std::string(page_js()));
    if (file == "icon.svg") return guarded("image/svg+xml", std::string(icon_svg()));
  }
  if (segments.size() == 4 && segments[1] == "pods") return pod(segments[2], segments[3]);
  return not_found();
}

}  // namespace closewatch
