// SPDX-License-Identifier: Apache-2.0
#include "closewatch/top/terminal.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

// As functions, not macros.
#define NCURSES_NOMACROS
#include <curses.h>

namespace closewatch {
namespace {

enum Colour : short { kRed = 1 };

attr_t attributes_of(TopStyle style) {
  switch (style) {
    case TopStyle::kPlain:
      return A_NORMAL;
    case TopStyle::kTitle:
      return A_BOLD;
    case TopStyle::kHead:
      return A_UNDERLINE;
    case TopStyle::kSelected:
      return A_REVERSE;
    case TopStyle::kAlarm:
      return A_BOLD | static_cast<attr_t>(COLOR_PAIR(kRed));
    case TopStyle::kQuiet:
      return A_DIM;
  }
  return A_NORMAL;
}

std::optional<TopKey> special_key(int code) {
  constexpr int kEscapeCode = 27;
  constexpr int kDeleteCode = 127;
  constexpr int kBackspaceCode = 8;
  switch (code) {
    case KEY_UP:
      return TopKey::kUp;
    case KEY_DOWN:
      return TopKey::kDown;
    case KEY_PPAGE:
      return TopKey::kPageUp;
    case KEY_NPAGE:
      return TopKey::kPageDown;
    case KEY_HOME:
      return TopKey::kHome;
    case KEY_END:
      return TopKey::kEnd;
    case KEY_LEFT:
      return TopKey::kLeft;
    case KEY_RIGHT:
      return TopKey::kRight;
    case KEY_ENTER:
    case '\n':
    case '\r':
      return TopKey::kEnter;
    case kEscapeCode:
      return TopKey::kEscape;
    case KEY_BACKSPACE:
    case kDeleteCode:
    case kBackspaceCode:
      return TopKey::kErase;
    default:
      return std::nullopt;
  }
}

}  // namespace

class Terminal::Screen {
 public:
  explicit Screen(SCREEN* screen) : screen_(screen) {}
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  Screen(Screen&&) = delete;
  Screen& operator=(Screen&&) = delete;
  ~Screen() {
    ::endwin();
    ::delscreen(screen_);
  }

  [[nodiscard]] WINDOW* window() const { return window_; }

 private:
  SCREEN* screen_;
  WINDOW* window_ = stdscr;  // of the screen that newterm() has just made
};

Result<std::unique_ptr<Terminal>> Terminal::open() {
  SCREEN* const screen = ::newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    const char* const type = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nobody sets any
    return fail(ErrorKind::kUnsupported,
                std::string("the terminal type '") + (type == nullptr ? "" : type) +
                    "' is not known here: set TERM to another, such as xterm or vt100");
  }
  return std::unique_ptr<Terminal>(new Terminal(std::make_unique<Screen>(screen)));
}

Terminal::Terminal(std::unique_ptr<Screen> screen) : screen_(std::move(screen)) {
  constexpr int kEscapeMilliseconds = 50;  // an Escape alone, or the start of a key's sequence
  ::cbreak();
  ::noecho();
  ::set_escdelay(kEscapeMilliseconds);
  ::keypad(screen_->window(), true);
  ::nodelay(screen_->window(), true);
  ::curs_set(0);
  if (::has_colors()) {
    ::start_color();
    ::use_default_colors();
    ::init_pair(kRed, COLOR_RED, -1);
  }
}

Terminal::~Terminal() = default;

std::size_t Terminal::width() const {
  return static_cast<std::size_t>(::getmaxx(screen_->window()));
}

std::size_t Terminal::height() const {
  return static_cast<std::size_t>(::getmaxy(screen_->window()));
}

void Terminal::draw(const std::vector<TopLine>& lines) {
  ::werase(screen_->window());
  int y = 0;
  for (const auto& line : lines) {
    ::wattrset(screen_->window(), static_cast<int>(attributes_of(line.style)));
    // The last cell of the screen cannot be written without scrolling; ncurses says ERR and does.
    ::mvwaddnstr(screen_->window(), y++, 0, line.text.c_str(), static_cast<int>(line.text.size()));
  }
  ::wrefresh(screen_->window());
}

std::optional<TopPress> Terminal::read() {
  for (;;) {
    const int code = ::wgetch(screen_->window());
    if (code == ERR) return std::nullopt;
    if (const auto key = special_key(code)) return TopPress{*key, 0};
    constexpr int kFirst = ' ';
    constexpr int kLast = '~';
    if (code >= kFirst && code <= kLast) {
      return TopPress{TopKey::kCharacter, static_cast<char>(code)};
    }
    // KEY_RESIZE and keys that mean nothing here: the next drawing takes the new size.
  }
}

}  // namespace closewatch
