// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/top/top_screen.h"

namespace closewatch {

/// The terminal on standard input and output as a full screen, from construction to destruction.
/// The only part that knows ncurses, beside
/// with_terminal_kept().
class Terminal {
 public:
  /// Of the type that TERM names; without it xterm, which a shell started by `kubectl exec` may
  /// lack although what is attached to it understands xterm. Fails where the terminal's type is not
  /// known on this machine.
  static Result<std::unique_ptr<Terminal>> open();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  Terminal(Terminal&&) = delete;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::size_t height() const;
  void draw(const std::vector<TopLine>& lines);
  /// The next key that has been pressed; nullopt when there is none.
  std::optional<TopPress> read();

 private:
  class Screen;
  explicit Terminal(std::unique_ptr<Screen> screen);

  std::unique_ptr<Screen> screen_;
};

}  // namespace closewatch
