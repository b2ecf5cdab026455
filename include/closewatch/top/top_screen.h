// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch {

enum class TopKey : std::uint8_t {
  kUp,
  kDown,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kLeft,
  kRight,
  kEnter,
  kEscape,
  kErase,
  kCharacter,
};

struct TopPress {
  TopKey key = TopKey::kCharacter;
  char character = 0;
};

enum class TopStyle : std::uint8_t { kPlain, kTitle, kHead, kSelected, kAlarm, kQuiet };

struct TopLine {
  std::string text;  ///< printable ASCII, not wider than the screen
  TopStyle style = TopStyle::kPlain;
};

/// What `closewatch top` shows and how it answers to keys: snapshots and keys in, lines out. Pure;
/// knows no terminal.
class TopScreen {
 public:
  using PodName = std::pair<std::string, std::string>;  ///< namespace and name

  /// `source`: where the snapshots come from, for the first line.
  explicit TopScreen(std::string source) : source_(std::move(source)) {}

  void show(std::shared_ptr<const Snapshot> snapshot) { snapshot_ = std::move(snapshot); }
  /// Why there is nothing newer; empty when all is well.
  void complain(std::string sentence) { complaint_ = std::move(sentence); }
  /// The sockets of the pod that is open, or why there are none.
  void show_sockets(Result<SocketListing> listing) { listing_ = std::move(listing); }

  void press(const TopPress& press);
  /// The pod whose sockets are wanted; nullopt: the pods are shown.
  [[nodiscard]] const std::optional<PodName>& open_pod() const { return open_; }
  [[nodiscard]] bool ended() const { return ended_; }

  /// As many lines as the screen is high.
  std::vector<TopLine> lines(std::size_t width, std::size_t height,
                             std::chrono::steady_clock::time_point now);

 private:
  void type(const TopPress& press);
  void command(char character);
  void move(std::ptrdiff_t step);
  void sort_next(bool forward);
  [[nodiscard]] std::vector<const PodSnapshot*> pods() const;
  [[nodiscard]] std::ptrdiff_t cursor_in(const std::vector<const PodSnapshot*>& pods) const;
  void remember(const PodSnapshot& pod) { selected_ = {pod.uid, pod.name}; }
  void append_pods(std::vector<TopLine>& lines, std::size_t width, std::size_t height,
                   std::chrono::steady_clock::time_point now);
  void append_owners(std::vector<TopLine>& lines, std::size_t width) const;
  void append_sockets(std::vector<TopLine>& lines, std::size_t width, std::size_t height);
  void scroll_to(std::ptrdiff_t at, std::size_t room);
  [[nodiscard]] std::string title(std::chrono::steady_clock::time_point now) const;
  [[nodiscard]] std::string summary(std::chrono::steady_clock::time_point now) const;
  [[nodiscard]] std::string help() const;

  std::string source_;
  std::string complaint_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::optional<Result<SocketListing>> listing_;
  std::optional<PodName> open_;
  PodName selected_;       ///< uid and name, which outlive a refresh
  std::size_t order_ = 0;  ///< of those that there are
  bool reversed_ = false;
  std::string filter_;
  bool typing_ = false;  ///< the filter
  bool ended_ = false;
  std::ptrdiff_t first_ = 0;   ///< the row at the top
  std::size_t page_ = 1;       ///< how many rows there is room for
  std::ptrdiff_t socket_ = 0;  ///< the selected one
  std::ptrdiff_t pods_first_ = 0;
};

}  // namespace closewatch
