// SPDX-License-Identifier: Apache-2.0
#include "closewatch/top/top_screen.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "closewatch/base/printable.h"
#include "closewatch/base/seconds.h"
#include "closewatch/present/pod_summary.h"
#include "closewatch/present/shown.h"
#include "closewatch/present/text_table.h"
#include "closewatch/scan/namesakes.h"

namespace closewatch {
namespace {

/// A column: how wide, and whether its text ends at the right. The first takes what is left.
struct ScreenColumn {
  std::string_view head;
  std::size_t width;
  bool right;
};

/// The most important first: a narrow screen lacks the last ones. At 80 columns those up to the
/// peer are there.
constexpr std::array<ScreenColumn, 14> kPodColumns = {{{"NAMESPACE/POD", 22, false},
                                                       {"CL_WAIT", 7, true},
                                                       {"STUCK", 6, true},
                                                       {"OLDEST", 6, true},
                                                       {"OWES", 7, false},
                                                       {"DIR", 4, false},
                                                       {"TOP PEER", 21, false},
                                                       {"HELD", 6, true},
                                                       {"ACCEPT Q", 12, true},
                                                       {"CONTAINER", 16, false},
                                                       {"ESTAB", 6, true},
                                                       {"DESCRIPTORS", 18, true},
                                                       {"FULL IN", 7, true},
                                                       {"OTHER OWNER", 36, false}}};

/// Likewise: at 80 columns those up to the process are there.
constexpr std::array<ScreenColumn, 10> kSocketColumns = {{{"REMOTE", 21, false},
                                                          {"LOCAL", 21, false},
                                                          {"OWES", 6, false},
                                                          {"AGE", 6, true},
                                                          {"PROCESS", 20, false},
                                                          {"UNREAD", 7, true},
                                                          {"DIRECTION", 9, false},
                                                          {"STATE", 10, false},
                                                          {"CONTAINER", 16, false},
                                                          {"OTHER OWNER", 36, false}}};

/// Text in so many columns; what is too long shows that it was cut.
std::string fitted(const std::string& text, std::size_t width, bool right = false) {
  if (text.size() > width) return width == 0 ? "" : text.substr(0, width - 1) + "~";
  return right ? fmt::format("{:>{}}", text, width) : fmt::format("{:<{}}", text, width);
}

/// One row: as many cells as there is room for, the first one wider by what is left over.
template <std::size_t N>
std::string row_text(const std::array<ScreenColumn, N>& columns,
                     const std::vector<std::string>& cells, std::size_t width) {
  std::size_t shown = 0;
  std::size_t used = 0;
  while (shown < N && used + columns.at(shown).width + (shown > 0 ? 1 : 0) <= width) {
    used += columns.at(shown).width + (shown > 0 ? 1 : 0);
    ++shown;
  }
  shown = std::max<std::size_t>(shown, 1);
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, cells.size()); ++i) {
    const auto& column = columns.at(i);
    const auto spare = i == 0 && width > used ? width - used : 0;
    if (i > 0) text += ' ';
    text += fitted(cells[i], column.width + spare, column.right);
  }
  return fitted(text, width);
}

template <std::size_t N>
std::vector<std::string> heads(const std::array<ScreenColumn, N>& columns) {
  std::vector<std::string> names;
  names.reserve(N);
  for (const auto& column : columns) names.emplace_back(column.head);
  return names;
}

/// "close", or "close+" when other calls are owed, too, though less often: there is no room for
/// all.
std::string owed_text(const Diagnosis& diagnosis) {
  const auto* const most =
      std::max_element(kOwedCalls.begin(), kOwedCalls.end(),
                       [&](OwedCall a, OwedCall b) { return diagnosis.of(a) < diagnosis.of(b); });
  const auto others = std::count_if(kOwedCalls.begin(), kOwedCalls.end(),
                                    [&](OwedCall call) { return diagnosis.of(call) > 0; });
  if (others == 0) return "";
  return std::string(name_of(*most)) + (others > 1 ? "+" : "");
}

/// "in", "out", "out+" when some are of the other direction.
std::string short_direction_text(const Diagnosis& diagnosis) {
  const auto inbound = diagnosis.of(Direction::kInbound);
  const auto outbound = diagnosis.of(Direction::kOutbound);
  if (inbound + outbound == 0) return "";
  const std::string mark = inbound > 0 && outbound > 0 ? "+" : "";
  return (inbound > outbound ? "in" : "out") + mark;
}

std::vector<std::string> pod_cells(const PodSnapshot& pod) {
  const auto& diagnosis = pod.diagnosis;
  const bool leaks = pod.sums.states.of(TcpState::kCloseWait) > 0;
  const auto* const queue = fullest_queue(pod.sums);
  const auto* const nearest = nearest_to_limit(pod);
  return {printable(pod.pod_namespace + "/" + pod.name),
          std::to_string(pod.sums.states.of(TcpState::kCloseWait)),
          std::to_string(diagnosis.stuck()),
          leaks ? human(diagnosis.oldest) : "",
          owed_text(diagnosis),
          short_direction_text(diagnosis),
          diagnosis.peers.empty() ? "" : printable(diagnosis.peers.front().peer),
          pod.held == nullptr ? "" : std::to_string(pod.held->total()),
          queue == nullptr ? "" : fmt::format("{}/{}", queue->sockets, limit_text(*queue)),
          printable(container_text(diagnosis)),
          std::to_string(pod.sums.states.of(TcpState::kEstablished)),
          nearest == nullptr ? "" : descriptors_text(*nearest),
          nearest == nullptr ? "" : time_left_text(*nearest),
          printable(owner_text(pod))};
}

std::vector<std::string> socket_cells(const ListedSocket& listed) {
  const auto& socket = listed.socket;
  const auto process =
      listed.process ? fmt::format("{}/{}", listed.process->pid, listed.process->comm) : "-";
  return {text_of(socket.remote),
          text_of(socket.local),
          std::string(name_of(socket.owes)),
          human(std::chrono::floor<std::chrono::milliseconds>(socket.age)),
          printable(process),
          std::to_string(socket.unread_bytes()),
          std::string(name_of(socket.direction)),
          std::string(state_name_of(listed)),
          printable(listed.container),
          listed.owner ? printable(text_of(*listed.owner)) : ""};
}

using Pods = std::vector<const PodSnapshot*>;

/// The worst first, by a number; equal ones stay as they are.
template <typename Number>
void sort_by(Pods& pods, Number number) {
  std::stable_sort(pods.begin(), pods.end(), [&](const PodSnapshot* a, const PodSnapshot* b) {
    return number(*a) > number(*b);
  });
}

/// An order of the pods: the key that asks for it, its name, and how it comes about from the worst
/// first.
struct Order {
  char key;
  std::string_view name;
  void (*sort)(Pods& pods);
};
constexpr std::array kOrders = {
    Order{'w', "worst", [](Pods& /*pods*/) {}},
    // As they lie in the snapshot, which is sorted by name.
    Order{'n', "name", [](Pods& pods) { std::sort(pods.begin(), pods.end()); }},
    Order{'c', "close_wait",
          [](Pods& pods) {
            sort_by(pods, [](const PodSnapshot& pod) {
              return pod.sums.states.of(TcpState::kCloseWait);
            });
          }},
    Order{'s', "stuck",
          [](Pods& pods) {
            sort_by(pods, [](const PodSnapshot& pod) { return pod.diagnosis.stuck(); });
          }},
    Order{'o', "oldest",
          [](Pods& pods) {
            sort_by(pods, [](const PodSnapshot& pod) { return pod.diagnosis.oldest; });
          }},
    Order{'a', "accept queue",
          [](Pods& pods) {
            sort_by(pods, [](const PodSnapshot& pod) {
              const auto* const queue = fullest_queue(pod.sums);
              return queue == nullptr ? ListenBacklog().fullness() : queue->fullness();
            });
          }},
};

/// All that a filter looks at, as the page does.
std::string searched_text(const PodSnapshot& pod) {
  std::string text = pod.pod_namespace + "/" + pod.name + " " + pod.workload_kind + " " +
                     pod.workload + " " + std::string(reason_of(pod.visibility)) + " " +
                     owes_text(pod.diagnosis) + " " + direction_text(pod.diagnosis);
  for (const auto& peer : pod.diagnosis.peers) text += " " + peer.peer;
  for (const auto& container : pod.diagnosis.containers) text += " " + container.container;
  for (const auto& owner : pod.owners()) text += " " + text_of(owner.owner);
  return text;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

}  // namespace

std::vector<const PodSnapshot*> TopScreen::pods() const {
  if (snapshot_ == nullptr) return {};
  auto pods = worst_first(*snapshot_, {});
  const auto wanted = lower(filter_);
  std::erase_if(pods, [&](const PodSnapshot* pod) {
    return lower(searched_text(*pod)).find(wanted) == std::string::npos;
  });
  kOrders.at(order_).sort(pods);
  if (reversed_) std::reverse(pods.begin(), pods.end());
  return pods;
}

std::ptrdiff_t TopScreen::cursor_in(const std::vector<const PodSnapshot*>& pods) const {
  const auto found = std::find_if(pods.begin(), pods.end(), [&](const PodSnapshot* pod) {
    return pod->uid == selected_.first && pod->name == selected_.second;
  });
  return found == pods.end() ? 0 : found - pods.begin();
}

void TopScreen::move(std::ptrdiff_t step) {
  if (open_) {
    const auto count =
        listing_ && *listing_ ? static_cast<std::ptrdiff_t>((*listing_)->sockets.size()) : 0;
    socket_ = std::clamp<std::ptrdiff_t>(socket_ + step, 0, std::max<std::ptrdiff_t>(count - 1, 0));
    return;
  }
  const auto shown = pods();
  if (shown.empty()) return;
  const auto last = static_cast<std::ptrdiff_t>(shown.size()) - 1;
  remember(*shown[static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(cursor_in(shown) + step, 0, last))]);
}

void TopScreen::sort_next(bool forward) {
  order_ = (order_ + (forward ? 1 : kOrders.size() - 1)) % kOrders.size();
}

void TopScreen::press(const TopPress& press) {
  constexpr std::ptrdiff_t kAll = 1'000'000;
  if (typing_) {
    type(press);
    return;
  }
  switch (press.key) {
    case TopKey::kUp:
      return move(-1);
    case TopKey::kDown:
      return move(1);
    case TopKey::kPageUp:
      return move(-static_cast<std::ptrdiff_t>(page_));
    case TopKey::kPageDown:
      return move(static_cast<std::ptrdiff_t>(page_));
    case TopKey::kHome:
      return move(-kAll);
    case TopKey::kEnd:
      return move(kAll);
    case TopKey::kLeft:
      return sort_next(false);
    case TopKey::kRight:
      return sort_next(true);
    case TopKey::kEnter: {
      const auto shown = pods();
      if (open_ || shown.empty()) return;
      const auto& pod = *shown[static_cast<std::size_t>(cursor_in(shown))];
      remember(pod);
      open_ = {pod.pod_namespace, pod.name};
      listing_.reset();
      socket_ = 0;
      pods_first_ = std::exchange(first_, 0);
      return;
    }
    case TopKey::kEscape:
    case TopKey::kErase:
      if (open_) {
        open_.reset();
        first_ = pods_first_;
      } else {
        filter_.clear();
      }
      return;
    case TopKey::kCharacter:
      return command(press.character);
  }
}

void TopScreen::type(const TopPress& press) {
  switch (press.key) {
    case TopKey::kEnter:
    case TopKey::kUp:
    case TopKey::kDown:
      typing_ = false;
      return;
    case TopKey::kEscape:
      typing_ = false;
      filter_.clear();
      return;
    case TopKey::kErase:
      if (!filter_.empty()) filter_.pop_back();
      return;
    case TopKey::kCharacter:
      if (press.character >= ' ' && press.character <= '~') filter_ += press.character;
      return;
    default:
      return;
  }
}

void TopScreen::command(char character) {
  const auto* const order =
      std::find_if(kOrders.begin(), kOrders.end(),
                   [&](const Order& candidate) { return candidate.key == character; });
  if (order != kOrders.end()) {
    const auto place = static_cast<std::size_t>(order - kOrders.begin());
    reversed_ = order_ == place && !reversed_;
    order_ = place;
    return;
  }
  switch (character) {
    case 'q':
      ended_ = true;
      return;
    case '/':
      if (!open_) typing_ = true;
      return;
    case 'r':
      reversed_ = !reversed_;
      return;
    case 'j':
      return move(1);
    case 'k':
      return move(-1);
    default:
      return;
  }
}

std::string TopScreen::title(std::chrono::steady_clock::time_point now) const {
  if (snapshot_ == nullptr) return fmt::format("closewatch top - {} - no scan yet", source_);
  const auto age = seconds(now - snapshot_->taken_at_steady);
  return fmt::format("closewatch top - {} - scanned {:.0f} s ago, every {:g} s", source_,
                     std::max(age, 0.0), seconds(snapshot_->interval));
}

std::string TopScreen::summary(std::chrono::steady_clock::time_point now) const {
  std::uint64_t stuck = 0;
  std::uint64_t held = 0;
  std::size_t leaking = 0;
  std::size_t unseen = 0;
  const auto count = snapshot_ == nullptr ? 0 : snapshot_->pods.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& pod = snapshot_->pods[i];
    const bool counted = Shown(*snapshot_, now).counts(pod);
    if (!counted) ++unseen;
    if (!counted || pod.diagnosis.stuck() + pod.held_sockets() == 0) continue;
    stuck += pod.diagnosis.stuck();
    held += pod.held_sockets();
    ++leaking;
  }
  auto text = fmt::format("{} pods: {} with {} stuck{}, {} not counted   by {}{}", count, leaking,
                          stuck, held == 0 ? "" : fmt::format(" and {} held", held), unseen,
                          kOrders.at(order_).name, reversed_ ? " reversed" : "");
  if (typing_ || !filter_.empty()) text += fmt::format("   /{}{}", filter_, typing_ ? "_" : "");
  return text;
}

std::string TopScreen::help() const {
  if (typing_) return "type a part of pod, workload, peer or container; Enter keeps, Esc clears";
  if (open_) return "Up Down move  Esc pods  q quit";
  return "Up Down move  Enter sockets  / filter  Left Right sort  r reverse  q quit";
}

/// Moves what is shown by as little as it takes to have `at` in it.
void TopScreen::scroll_to(std::ptrdiff_t at, std::size_t room) {
  const auto height = static_cast<std::ptrdiff_t>(std::max<std::size_t>(room, 1));
  first_ = std::clamp(first_, std::max<std::ptrdiff_t>(at - height + 1, 0), at);
}

void TopScreen::append_pods(std::vector<TopLine>& lines, std::size_t width, std::size_t height,
                            std::chrono::steady_clock::time_point now) {
  lines.push_back({row_text(kPodColumns, heads(kPodColumns), width), TopStyle::kHead});
  page_ = std::max<std::size_t>(height, lines.size() + 2) - lines.size() - 1;
  const auto rows = pods();
  if (rows.empty()) return;
  const Shown shown(*snapshot_, now);
  const auto at = cursor_in(rows);
  scroll_to(at, page_);
  for (auto i = first_; i < static_cast<std::ptrdiff_t>(rows.size()); ++i) {
    if (i >= first_ + static_cast<std::ptrdiff_t>(page_)) break;
    const auto& pod = *rows[static_cast<std::size_t>(i)];
    const auto visibility = shown.of(pod);
    TopLine line;
    if (visibility == Visibility::kVisible) {
      line.text = row_text(kPodColumns, pod_cells(pod), width);
      if (pod.diagnosis.stuck() + pod.held_sockets() > 0) line.style = TopStyle::kAlarm;
    } else {
      const auto name = printable(pod.pod_namespace + "/" + pod.name);
      line.text = fitted(fmt::format("{} not counted ({}): {}", name, reason_of(visibility),
                                     printable(std::string(shown.detail_of(pod)))),
                         width);
      line.style = TopStyle::kQuiet;
    }
    if (i == at) line.style = TopStyle::kSelected;
    lines.push_back(std::move(line));
  }
}

/// The column of a socket's owner is there on wide screens alone.
void TopScreen::append_owners(std::vector<TopLine>& lines, std::size_t width) const {
  for (const auto& pod : find_namesakes(*snapshot_, open_->first, open_->second)) {
    for (const auto& [owner, sockets, stuck] : pod.owners()) {
      lines.push_back(
          {fitted(fmt::format("{} made by {}", sockets, printable(text_of(owner))), width)});
    }
  }
}

void TopScreen::append_sockets(std::vector<TopLine>& lines, std::size_t width, std::size_t height) {
  const auto name = printable(open_->first + "/" + open_->second);
  if (!listing_) {
    lines.push_back({fitted(name + ": ...", width), TopStyle::kHead});
    return;
  }
  if (!*listing_) {
    lines.push_back(
        {fitted(name + ": " + printable(listing_->error().what), width), TopStyle::kAlarm});
    return;
  }
  const auto& listing = **listing_;
  if (listing.visibility != Visibility::kVisible) {
    lines.push_back({fitted(fmt::format("{} not counted ({}): {}", name,
                                        reason_of(listing.visibility), printable(listing.detail)),
                            width),
                     TopStyle::kAlarm});
    return;
  }
  lines.push_back(
      {fitted(fmt::format("{}: {} of {} sockets in CLOSE_WAIT, or held after it, the oldest first",
                          name, listing.sockets.size(), listing.total),
              width)});
  append_owners(lines, width);
  lines.push_back({row_text(kSocketColumns, heads(kSocketColumns), width), TopStyle::kHead});
  page_ = std::max<std::size_t>(height, lines.size() + 2) - lines.size() - 1;
  const auto count = static_cast<std::ptrdiff_t>(listing.sockets.size());
  socket_ = std::clamp<std::ptrdiff_t>(socket_, 0, std::max<std::ptrdiff_t>(count - 1, 0));
  scroll_to(socket_, page_);
  for (auto i = first_; i < std::min(count, first_ + static_cast<std::ptrdiff_t>(page_)); ++i) {
    lines.push_back({row_text(kSocketColumns,
                              socket_cells(listing.sockets[static_cast<std::size_t>(i)]), width),
                     i == socket_ ? TopStyle::kSelected : TopStyle::kPlain});
  }
}

std::vector<TopLine> TopScreen::lines(std::size_t width, std::size_t height,
                                      std::chrono::steady_clock::time_point now) {
  std::vector<TopLine> lines = {{fitted(title(now), width), TopStyle::kTitle},
                                {fitted(summary(now), width)}};
  if (!complaint_.empty())
    lines.push_back({fitted(printable(complaint_), width), TopStyle::kAlarm});
  if (open_) {
    append_sockets(lines, width, height);
  } else {
    append_pods(lines, width, height, now);
  }
  if (height > 0) lines.resize(height - 1);
  lines.push_back({fitted(help(), width), TopStyle::kQuiet});
  lines.resize(height);
  return lines;
}

}  // namespace closewatch
