// SPDX-License-Identifier: Apache-2.0
#include "page/page.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "closewatch/base/seconds.h"
#include "closewatch/events/tcp_event.h"
#include "closewatch/http/url_segment.h"
#include "closewatch/present/html.h"
#include "closewatch/present/pod_summary.h"
#include "closewatch/present/shown.h"
#include "closewatch/present/text_table.h"
#include "page/page_assets.h"

namespace closewatch {
namespace {

std::string clock_text(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string framed(std::string_view title, std::string_view root, std::string_view body) {
  return fmt::format(fmt::runtime(frame_html()), fmt::arg("title", html_text(title)),
                     fmt::arg("root", root), fmt::arg("body", body));
}

// --- Tables -------------------------------------------------------------------------------------

/// A cell: what it shows as HTML, and how.
struct Cell {
  std::string html;
  const char* kind = "";  ///< CSS classes
  double sorts_as = 0;    ///< only where a number is shown
};

Cell number(std::uint64_t value) {
  return {std::to_string(value), "number", static_cast<double>(value)};
}

Cell text(std::string_view value) { return {html_text(value), "breaks"}; }

enum class Kind : std::uint8_t { kText, kNumber, kTrend };

struct Column {
  const char* head;
  Kind kind;

  /// By numbers; a trend by what it has grown.
  [[nodiscard]] bool sorts_by_number() const { return kind != Kind::kText; }
};

std::string head_row(const std::vector<Column>& columns) {
  std::string html = "<thead><tr>";
  for (const auto& column : columns) {
    html += fmt::format(R"(<th scope="col"{}{}>{}</th>)",
                        column.kind == Kind::kNumber ? R"( class="number")" : "",
                        column.sorts_by_number() ? R"( data-sort="number")" : "", column.head);
  }
  return html + "</tr></thead>\n";
}

/// A table whose first column names its rows.
std::string table(std::string_view caption, const std::vector<Column>& columns,
                  const std::vector<std::vector<Cell>>& rows) {
  auto html = fmt::format("<div class=\"wide\"><table><caption>{}</caption>\n{}<tbody>\n", caption,
                          head_row(columns));
  for (const auto& row : rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      html += i == 0 ? fmt::format(R"(<th scope="row">{}</th>)", row[i].html)
                     : fmt::format(R"(<td class="{}">{}</td>)", row[i].kind, row[i].html);
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

// --- The trend of an hour ------------------------------------------------------------------------

/// Where the line runs: x is the minute from 0 to 59, y from 0 (the most) to 20 (none). It is
/// broken where nobody counted; a single minute is a dot.
std::string trend_path(const Trend::Points& points, std::uint32_t most) {
  constexpr double kHeight = 20;
  std::string path;
  bool drawing = false;
  for (std::size_t x = 0; x < points.size(); ++x) {
    if (!points.at(x)) {
      drawing = false;
      continue;
    }
    const auto y = most == 0 ? kHeight : kHeight * (1 - static_cast<double>(*points.at(x)) / most);
    path += fmt::format("{}{} {:.3g}", drawing ? "L" : "M", x, y);
    if (!drawing) path += "h0";
    drawing = true;
  }
  return path;
}

/// A trend in a few numbers; nullopt when nobody has ever counted.
struct TrendSums {
  std::uint32_t first = 0;
  std::uint32_t most = 0;
  std::uint32_t last = 0;
};

std::optional<TrendSums> sums_of(const Trend::Points& points) {
  std::optional<TrendSums> sums;
  for (const auto& point : points) {
    if (!point) continue;
    if (!sums) sums = TrendSums{*point, *point, *point};
    sums->most = std::max(sums->most, *point);
    sums->last = *point;
  }
  return sums;
}

std::string trend_svg(const Trend& trend, const char* classes) {
  const auto points = trend.points();
  const auto sums = sums_of(points);
  if (!sums) return "";
  const auto sentence =
      fmt::format("in CLOSE_WAIT in the last hour: {} at first, at most {}, {} in this minute",
                  sums->first, sums->most, sums->last);
  return fmt::format(
      "<svg class=\"{}\" viewBox=\"-1 -1 61 22\" preserveAspectRatio=\"none\" role=\"img\" "
      "aria-label=\"{}\"><title>{}</title><path d=\"{}\"/></svg>",
      classes, sentence, sentence, trend_path(points, sums->most));
}

Cell trend_cell(const Trend& trend) {
  const auto sums = sums_of(trend.points());
  const auto growth = sums ? static_cast<double>(sums->last) - sums->first : 0;
  return {trend_svg(trend, "trend"), "", growth};
}

// --- The overview -------------------------------------------------------------------------------

const std::vector<Column>& pod_columns() {
  static const std::vector<Column> columns = {
      {"Pod", Kind::kText},           {"CLOSE_WAIT", Kind::kNumber},
      {"Stuck", Kind::kNumber},       {"Last hour", Kind::kTrend},
      {"Oldest", Kind::kNumber},      {"Owes", Kind::kText},
      {"Direction", Kind::kText},     {"Worst peer", Kind::kText},
      {"Container", Kind::kText},     {"Accept queue", Kind::kNumber},
      {"Established", Kind::kNumber}, {"Held", Kind::kNumber},
      {"Descriptors", Kind::kNumber}};
  return columns;
}

std::string pod_link(const PodSnapshot& pod) {
  return fmt::format("page/pods/{}/{}", http::url_segment(pod.pod_namespace),
                     http::url_segment(pod.name));
}

std::string workload_text(const Pod& pod) {
  return pod.workload.empty() ? "" : fmt::format("{} {}", pod.workload_kind, pod.workload);
}

Cell oldest_cell(const PodSnapshot& pod) {
  if (pod.sums.states.of(TcpState::kCloseWait) == 0) return {"", "number empty", 0};
  return {human(pod.diagnosis.oldest), "number", seconds(pod.diagnosis.oldest)};
}

Cell queue_cell(const SocketSums& sums) {
  const auto* const fullest = fullest_queue(sums);
  if (fullest == nullptr) return {"", "number empty", -1};
  return {fmt::format("<span{}>{} of {}</span> <small>:{}</small>",
                      fullest->is_full() ? R"( class="bad")" : "", fullest->sockets,
                      limit_text(*fullest), fullest->port),
          "number", fullest->fullness().first};
}

/// Sorted by what is used of the limit.
Cell descriptors_cell(const PodSnapshot& pod) {
  const auto* const nearest = nearest_to_limit(pod);
  if (nearest == nullptr) return {"", "number empty", -1};
  auto html = descriptors_text(*nearest);
  if (nearest->time_left) {
    html = fmt::format("<span class=\"bad\">{}</span> <small>full in {}</small>", html,
                       time_left_text(*nearest));
  }
  return {std::move(html), "number", nearest->share()};
}

/// Text that a healthy pod lacks: a phone does not show the empty place.
Cell finding(std::string_view value) {
  return {html_text(value), value.empty() ? "breaks empty" : "breaks"};
}

/// With the owner below, where it is another pod's.
Cell container_cell(const PodSnapshot& pod) {
  auto cell = finding(container_text(pod.diagnosis));
  if (const auto owner = owner_text(pod); !owner.empty()) {
    cell.html += fmt::format(" <small>{}</small>", html_text(owner));
  }
  return cell;
}

/// Sockets that are held after their connections.
Cell held_cell(const PodSnapshot& pod) {
  if (pod.held == nullptr) return {"", "number empty", -1};
  auto cell = number(pod.held->total());
  if (pod.held->total() > 0) cell.kind = "number bad";
  return cell;
}

std::string held_text(const PodSnapshot& pod) {
  if (pod.held == nullptr) return "not looked for";
  if (pod.held->total() == 0) return "0";
  return fmt::format("{}, for {} at least", pod.held->total(),
                     human(std::chrono::floor<std::chrono::milliseconds>(pod.held_for())));
}

std::vector<Cell> counted_cells(const PodSnapshot& pod) {
  const auto stuck = pod.diagnosis.stuck();
  auto stuck_cell = number(stuck);
  if (stuck > 0) stuck_cell.kind = "number bad";
  const auto& diagnosis = pod.diagnosis;
  return {number(pod.sums.states.of(TcpState::kCloseWait)),
          std::move(stuck_cell),
          trend_cell(pod.trend),
          oldest_cell(pod),
          finding(owes_text(diagnosis)),
          finding(direction_text(diagnosis)),
          finding(top_peer_text(diagnosis)),
          container_cell(pod),
          queue_cell(pod.sums),
          number(pod.sums.states.of(TcpState::kEstablished)),
          held_cell(pod),
          descriptors_cell(pod)};
}

void append_cells(std::string& html, const std::vector<Cell>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto& cell = cells[i];
    const auto& column = pod_columns()[i + 1];
    const auto sorts_as =
        column.sorts_by_number() ? fmt::format(R"( data-v="{}")", cell.sorts_as) : std::string();
    html += fmt::format(R"(<td class="{}" data-label="{}"{}>{}</td>)", cell.kind, column.head,
                        sorts_as, cell.html);
  }
}

std::string unseen_cell(Visibility visibility, std::string_view detail) {
  return fmt::format(R"(<td colspan="{}" class="quiet">not counted ({}): {}</td>)",
                     pod_columns().size() - 1, reason_of(visibility), html_text(detail));
}

void append_pod_row(std::string& html, const PodSnapshot& pod, const Shown& shown) {
  const auto visibility = shown.of(pod);
  const bool visible = visibility == Visibility::kVisible;
  const auto workload = workload_text(pod);
  html += fmt::format(
      R"(<tr data-key="{}"{}><th scope="row"><a href="{}">{}</a><small>{}{}{}{}</small></th>)",
      html_text(pod.uid), visible ? "" : " data-unseen", pod_link(pod), html_text(pod.name),
      html_text(pod.pod_namespace), workload.empty() ? "" : " · ", html_text(workload),
      pod.host_network ? " · host network" : "");
  if (visible) {
    append_cells(html, counted_cells(pod));
  } else {
    html += unseen_cell(visibility, shown.detail_of(pod));
  }
  html += "</tr>\n";
}

void append_node_row(std::string& html, const Shown& shown) {
  html +=
      "<tr data-key=\"\" data-node><th scope=\"row\">[node]<small>sockets of the host that are no "
      "pod's</small></th>";
  if (const auto* const node = shown.node()) {
    html += fmt::format(R"(<td class="number" data-label="CLOSE_WAIT" data-v="{0}">{0}</td>)",
                        node->of(TcpState::kCloseWait));
    constexpr std::size_t kOthers = 5;  // the name, these two, and those behind them
    html += fmt::format(R"(<td colspan="{}" class="empty"></td>)", pod_columns().size() - kOthers);
    html += fmt::format(R"(<td class="number" data-label="Established">{}</td>)",
                        node->of(TcpState::kEstablished));
    html += R"(<td colspan="2" class="empty"></td>)";
  } else {
    html += unseen_cell(shown.stale() ? Visibility::kStale : Visibility::kIncomplete,
                        shown.stale() ? kStaleDetail : "the host's namespace could not be read");
  }
  html += "</tr>\n";
}

/// "57 pods: 2 hold 1201 stuck sockets, 3 could not be counted".
std::string totals_text(const Snapshot& snapshot, const Shown& shown) {
  std::size_t leaking = 0;
  std::uint64_t stuck = 0;
  std::uint64_t held = 0;
  std::size_t unseen = 0;
  for (const auto& pod : snapshot.pods) {
    if (!shown.counts(pod)) {
      ++unseen;
    } else if (pod.diagnosis.stuck() + pod.held_sockets() > 0) {
      ++leaking;
      stuck += pod.diagnosis.stuck();
      held += pod.held_sockets();
    }
  }
  return fmt::format(
      "{} pods: {} with {} stuck sockets{}, {} not counted", snapshot.pods.size(), leaking, stuck,
      held == 0 ? "" : fmt::format(" and {} held after their connections", held), unseen);
}

void append_notice(std::string& html, const char* classes, std::string_view sentence) {
  html += fmt::format("<div class=\"{}\"><p>{}</p></div>\n", classes, html_text(sentence));
}

std::string notices(const Snapshot* snapshot, bool stale, bool alive) {
  std::string html;
  if (!alive) {
    append_notice(html, "notice bad",
                  "The scan loop has stopped making progress: nothing new will be counted until "
                  "the agent is restarted.");
  }
  if (snapshot == nullptr) {
    append_notice(html, "notice", "The first scan is not done yet.");
    return html;
  }
  if (stale) {
    append_notice(html, "notice bad",
                  fmt::format("The data is old: the last scan ended at {}. Its counts are not "
                              "shown.",
                              clock_text(snapshot->taken_at)));
  }
  for (const auto& complaint : snapshot->complaints) append_notice(html, "notice", complaint);
  return html;
}

void append_fact(std::string& html, const char* name, std::string_view value) {
  html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html_text(value));
}

std::string errors_text(const Snapshot& snapshot) {
  std::string errors;
  for (const auto stage : kScanStages) {
    const auto count = snapshot.errors.at(static_cast<std::size_t>(stage));
    if (count == 0) continue;
    errors += fmt::format("{}{} {}", errors.empty() ? "" : ", ", name_of(stage), count);
  }
  return errors.empty() ? "none" : errors;
}

std::string features_text(const Features& features) {
  const auto tell = [](const char* name, const std::optional<bool>& feature) {
    return fmt::format("{}: {}", name, !feature ? "not known yet" : *feature ? "yes" : "no");
  };
  return fmt::format(
      "{}, {}, {}, {}, {}", tell("held sockets", features.held_sockets),
      tell("cgroup ids", features.cgroup_id), tell("ages from the kernel", features.tcp_info),
      tell("namespace cookies", features.netns_cookie),
      features.metadata_api ? tell("names from the API server", features.metadata_api)
                            : "names from the API server: not asked");
}

std::string health(const Snapshot* snapshot, const PageFacts& facts) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  constexpr double kPercent = 100;
  std::string html = "<dl>\n";
  append_fact(html, "Node", facts.node);
  append_fact(html, "Agent",
              fmt::format("closewatch {}, since {}, {:.1f} MiB resident", facts.agent.version,
                          clock_text(facts.agent.started_at),
                          static_cast<double>(facts.agent.process.resident_bytes) / kMebibyte));
  append_fact(html, "Scan loop", facts.alive ? "alive" : "stopped making progress");
  if (snapshot != nullptr) {
    append_fact(html, "Last scan",
                fmt::format("ended at {}, took {:.3f} s and {:.3f} s of CPU",
                            clock_text(snapshot->taken_at), seconds(snapshot->duration),
                            seconds(snapshot->cpu)));
    append_fact(html, "Interval",
                fmt::format("{:g} s: this scan costs {:.2g} % of one core at that",
                            seconds(snapshot->interval),
                            kPercent * seconds(snapshot->cpu) / seconds(snapshot->interval)));
    append_fact(
        html, "Stuck",
        fmt::format("in CLOSE_WAIT for {} or longer", human(snapshot->settings.stuck_after)));
    append_fact(html, "Errors since the start", errors_text(*snapshot));
    append_fact(html, "The kernel tells", features_text(snapshot->features));
  }
  return html + "</dl>\n";
}

std::string pods_table(const Snapshot& snapshot, const Shown& shown) {
  auto html =
      "<div class=\"wide\"><table class=\"pods\"><caption>TCP sockets by pod, the worst "
      "first</caption>\n" +
      head_row(pod_columns()) + "<tbody id=\"pods\">\n";
  for (const auto* const pod : worst_first(snapshot, {})) append_pod_row(html, *pod, shown);
  append_node_row(html, shown);
  return html + "</tbody></table></div>\n";
}

constexpr const char* kTools = R"(<form class="tools" id="tools" role="search" hidden>
<label>Filter <input type="search" id="filter" placeholder="pod, workload, peer, container …" autocomplete="off"></label>
<label><input type="checkbox" id="leaking"> only with CLOSE_WAIT</label>
<span id="shown" role="status"></span>
<span class="quiet">/ filters, ↑ ↓ move, Enter opens, Esc closes</span>
</form>
)";

std::string links(const PageFacts& facts) {
  return fmt::format(
      "<p class=\"quiet\"><a href=\"{}\">Metrics</a> for Prometheus · <a "
      "href=\"api/v1/pods\">Pods</a> as JSON · <a href=\"healthz\">healthz</a>: the scan loop lives "
      "· <a href=\"readyz\">readyz</a>: a first scan is done</p>\n",
      html_text(facts.telemetry_path.substr(1)));
}

// --- One pod ------------------------------------------------------------------------------------

std::string states_table(const PodSnapshot& pod) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(kTcpStates.size());
  for (const auto state : kTcpStates) {
    rows.push_back({text(name_of(state)), pod.knows(state) ? number(pod.sums.states.of(state))
                                                           : Cell{"the node's", "number quiet"}});
  }
  return table("Sockets by state", {{"State", Kind::kText}, {"Sockets", Kind::kNumber}}, rows);
}

std::string containers_table(const Diagnosis& diagnosis) {
  std::vector<Column> columns = {{"Container", Kind::kText}, {"Stuck", Kind::kNumber}};
  for (const auto* const head :
       {"Inbound: accept", "read", "close", "Outbound: accept", "read", "close"}) {
    columns.push_back({head, Kind::kNumber});
  }
  std::vector<std::vector<Cell>> rows;
  rows.reserve(diagnosis.containers.size());
  for (const auto& container : diagnosis.containers) {
    auto& row = rows.emplace_back();
    row.push_back(text(container.container));
    row.push_back(number(container.stuck));
    for (const auto direction : kDirections) {
      for (const auto owes : kOwedCalls) {
        row.push_back(number(container.of(direction, owes)));
      }
    }
  }
  return table("CLOSE_WAIT by container: who began the connection, and the call that is owed",
               columns, rows);
}

std::string peers_table(const Diagnosis& diagnosis) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(diagnosis.peers.size());
  for (const auto& peer : diagnosis.peers) {
    rows.push_back(
        {text(peer.peer), text(name_of(peer.direction)), number(peer.sockets), number(peer.stuck)});
  }
  return table("Peers of the sockets in CLOSE_WAIT",
               {{"Peer", Kind::kText},
                {"Direction", Kind::kText},
                {"Sockets", Kind::kNumber},
                {"Stuck", Kind::kNumber}},
               rows);
}

std::string owners_table(const std::vector<OwnerSums>& owners) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(owners.size());
  for (const auto& [owner, sockets, stuck] : owners) {
    rows.push_back({text(owner.pod), text(owner.pod_namespace), text(owner.container),
                    number(sockets), number(stuck)});
  }
  return table(
      "Owners of the sockets in CLOSE_WAIT, or held after it, that other pods have made here",
      {{"Pod", Kind::kText},
       {"Namespace", Kind::kText},
       {"Container", Kind::kText},
       {"Sockets", Kind::kNumber},
       {"Stuck", Kind::kNumber}},
      rows);
}

std::string listeners_table(const SocketSums& sums) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(sums.listeners.size());
  const auto add = [&rows](const std::string& port, const ListenBacklog& queue) {
    rows.push_back({text(port), number(queue.sockets),
                    queue.limit ? number(*queue.limit) : text(limit_text(queue))});
  };
  const auto queues = shown_queues(sums.listeners);
  for (const auto& queue : queues.ports) add(std::to_string(queue.port), queue);
  if (queues.other) add("all others", *queues.other);
  return table("Accept queues",
               {{"Port", Kind::kText}, {"Waiting", Kind::kNumber}, {"Limit", Kind::kNumber}}, rows);
}

std::string descriptors_table(const std::vector<ContainerDescriptors>& descriptors) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(descriptors.size());
  for (const auto& container : descriptors) {
    rows.push_back(
        {text(container.container), number(container.open),
         container.limit ? number(*container.limit) : Cell{"none", "number"},
         container.time_left ? Cell{time_left_text(container), "number bad"} : Cell{"–", "number"},
         text(fmt::format("{}/{}", container.pid, container.comm))});
  }
  return table("Open descriptors, of the process that is nearest to its limit",
               {{"Container", Kind::kText},
                {"Open", Kind::kNumber},
                {"Limit", Kind::kNumber},
                {"Full in", Kind::kNumber},
                {"Process", Kind::kText}},
               rows);
}

/// What has become of those that have left, as far as anybody has looked.
std::string fate_text(const PodSnapshot& pod) {
  if (pod.held == nullptr || pod.held->left_closed + pod.held->left_held == 0) return "";
  return fmt::format(" ({} closed, {} held still when looked for)", pod.held->left_closed,
                     pod.held->left_held);
}

std::string events_table(const TcpEventCounts& counts) {
  std::vector<std::vector<Cell>> rows;
  for (const auto event : kTcpEvents) {
    if (!counts.of(event)) continue;
    rows.push_back(
        {text(describe(event).name), number(*counts.of(event)), text(describe(event).help)});
  }
  return table("TCP events that the kernel has counted since the pod's start",
               {{"Event", Kind::kText}, {"Count", Kind::kNumber}, {"What it is", Kind::kText}},
               rows);
}

std::string counted_facts(const PodSnapshot& pod) {
  const auto& diagnosis = pod.diagnosis;
  std::string html = "<dl>\n";
  append_fact(html, "In CLOSE_WAIT", std::to_string(pod.sums.states.of(TcpState::kCloseWait)));
  append_fact(html, "Stuck", std::to_string(diagnosis.stuck()));
  append_fact(html, "Oldest", human(diagnosis.oldest));
  append_fact(html, "Owes", owes_text(diagnosis));
  append_fact(html, "Direction", direction_text(diagnosis));
  append_fact(html, "Held after the end", held_text(pod));
  append_fact(html, "Unread bytes", std::to_string(diagnosis.unread_bytes));
  append_fact(html, "Entered and left",
              fmt::format("{} and {}, as seen between scans{}", diagnosis.entered, diagnosis.left,
                          fate_text(pod)));
  return html + "</dl>\n<h2>Last hour</h2>\n" + trend_svg(pod.trend, "trend large");
}

std::string pod_section(const PodSnapshot& pod, const Shown& shown) {
  const auto visibility = shown.of(pod);
  const auto workload = workload_text(pod);
  auto html = fmt::format("<section>\n<p class=\"quiet\">{}{}uid {}{}</p>\n", html_text(workload),
                          workload.empty() ? "" : " · ", html_text(pod.uid),
                          pod.host_network ? " · on the host's network" : "");
  if (visibility != Visibility::kVisible) {
    append_notice(html, "notice",
                  fmt::format("Not counted ({}): {}", reason_of(visibility), shown.detail_of(pod)));
    return html + "</section>\n";
  }
  html += counted_facts(pod);
  if (!pod.diagnosis.containers.empty()) html += containers_table(pod.diagnosis);
  if (const auto owners = pod.owners(); !owners.empty()) html += owners_table(owners);
  if (!pod.diagnosis.peers.empty()) html += peers_table(pod.diagnosis);
  if (!pod.descriptors.empty()) html += descriptors_table(pod.descriptors);
  if (!pod.sums.listeners.empty()) html += listeners_table(pod.sums);
  if (pod.tcp_events) html += events_table(*pod.tcp_events);
  return html + states_table(pod) + "</section>\n";
}

std::string sockets_section(const SocketListing* listing) {
  if (listing == nullptr) {
    return "<h2>Sockets</h2>\n<p class=\"quiet\">Single sockets are not listed here: "
           "api.socket_detail is false.</p>\n";
  }
  if (listing->sockets.empty()) return "";
  std::vector<std::vector<Cell>> rows;
  rows.reserve(listing->sockets.size());
  for (const auto& listed : listing->sockets) {
    const auto& [socket, container, process, owner, held] = listed;
    rows.push_back(
        {text(text_of(socket.remote)),
         text(text_of(socket.local)),
         text(name_of(socket.direction)),
         text(name_of(socket.owes)),
         {human(std::chrono::floor<std::chrono::milliseconds>(socket.age)), "number"},
         number(socket.unread_bytes()),
         text(owner ? container + ": " + text_of(*owner) : container),
         text(process ? fmt::format("{}/{}", process->pid, process->comm) : std::string("–")),
         text(state_name_of(listed))});
  }
  const auto missing =
      listing->processes_missing.empty()
          ? std::string()
          : "<p class=\"quiet\">Processes are missing: " + html_text(listing->processes_missing) +
                "</p>\n";
  return missing +
         table(listing->cut()
                   ? fmt::format(
                         "The {} oldest sockets in CLOSE_WAIT, or held after it (close), of {}",
                         listing->sockets.size(), listing->total)
                   : std::string("Sockets in CLOSE_WAIT, or held after it (close), the oldest "
                                 "first"),
               {{"Remote", Kind::kText},
                {"Local", Kind::kText},
                {"Direction", Kind::kText},
                {"Owes", Kind::kText},
                {"Age", Kind::kNumber},
                {"Unread bytes", Kind::kNumber},
                {"Container", Kind::kText},
                {"Process", Kind::kText},
                {"State", Kind::kText}},
               rows);
}

}  // namespace

std::string overview_page(const Snapshot* snapshot, std::chrono::steady_clock::time_point now,
                          const PageFacts& facts) {
  std::optional<Shown> shown;
  if (snapshot != nullptr) shown.emplace(*snapshot, now);
  auto body = fmt::format("<header><h1>closewatch</h1>\n<p>{}</p>\n", html_text(facts.node));
  body += fmt::format(
      "<p id=\"totals\" data-live>{}</p>\n<p id=\"age\" role=\"status\" "
      "class=\"quiet\">{}</p></header>\n",
      snapshot == nullptr ? "" : totals_text(*snapshot, *shown),
      snapshot == nullptr ? "" : "scan of " + clock_text(snapshot->taken_at));
  body += fmt::format(
      "<main>\n<div id=\"gone\" role=\"alert\"></div>\n<div id=\"notices\" "
      "data-live>{}</div>\n",
      notices(snapshot, shown && shown->stale(), facts.alive));
  body += kTools;
  body += "<div id=\"table\" data-live>";
  if (snapshot != nullptr) body += pods_table(*snapshot, *shown);
  body += "</div>\n<h2>Node and agent</h2>\n<div id=\"health\" data-live>" +
          health(snapshot, facts) + "</div>\n" + links(facts) + "</main>";
  return framed(facts.node.empty() ? "closewatch" : "closewatch: " + facts.node, "", body);
}

std::string pod_page(const Snapshot& snapshot, std::chrono::steady_clock::time_point now,
                     Namesakes pods, const SocketListing* listing) {
  const Shown shown(snapshot, now);
  const auto name = fmt::format("{}/{}", pods.front().pod_namespace, pods.front().name);
  auto body = fmt::format(
      "<header><p><a href=\"../../../\">All pods of this node</a></p>\n<p id=\"age\" role=\"status\" "
      "class=\"quiet\"></p></header>\n<main>\n<div id=\"gone\" role=\"alert\"></div>\n<div id=\"pod\" "
      "data-live>\n<h1>{}</h1>\n<p class=\"quiet\">scan of {}</p>\n",
      html_text(name), clock_text(snapshot.taken_at));
  for (const auto& pod : pods) body += pod_section(pod, shown);
  if (!shown.stale()) body += sockets_section(listing);
  return framed(name, "../../../", body + "</div>\n</main>");
}

}  // namespace closewatch
