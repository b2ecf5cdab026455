// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "app/api_names.h"
#include "app/commands.h"
#include "app/make_scanner.h"
#include "app/standard_output.h"
#include "closewatch/base/unique_fd.h"
#include "closewatch/present/snapshot_table.h"
#include "closewatch/top/snapshot_feed.h"
#include "closewatch/top/terminal.h"
#include "closewatch/top/terminal_keeper.h"
#include "closewatch/top/top_screen.h"

namespace closewatch {
namespace {

constexpr int kTickMilliseconds = 250;
/// How long the API server may take to tell the names.
constexpr std::chrono::seconds kTopNamesWithin{5};

/// Readable once one of the signals that end a program has come; they do nothing else.
UniqueFd ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

/// What is new since the last tick.
class Refresh {
 public:
  Refresh(SnapshotFeed& feed, TopScreen& screen) : feed_(feed), screen_(screen) {}

  void tick() {
    const auto latest = feed_.latest();
    screen_.complain(latest ? "" : latest.error().what);
    const bool is_new = latest && *latest != shown_;
    if (is_new) {
      shown_ = *latest;
      screen_.show(shown_);
    }
    if (screen_.open_pod() && (is_new || screen_.open_pod() != opened_)) {
      const auto& [pod_namespace, name] = *screen_.open_pod();
      screen_.show_sockets(feed_.sockets(pod_namespace, name));
    }
    opened_ = screen_.open_pod();
  }

 private:
  SnapshotFeed& feed_;
  TopScreen& screen_;
  std::shared_ptr<const Snapshot> shown_;
  std::optional<TopScreen::PodName> opened_;
};

/// False when the terminal or a signal says that it is over.
bool wait_for_input(const UniqueFd& signals) {
  std::array<pollfd, 2> awaited = {{{STDIN_FILENO, POLLIN, 0}, {signals.get(), POLLIN, 0}}};
  const int ready = ::poll(awaited.data(), awaited.size(), kTickMilliseconds);
  if (ready < 0) return errno == EINTR;  // the window has another size
  constexpr int kOver = POLLHUP | POLLERR | POLLNVAL;
  return awaited[1].revents == 0 && (awaited[0].revents & kOver) == 0;
}

/// What the API server tells before the first scan is what the pods are called. `names` must
/// outlive the feed.
Result<std::unique_ptr<SnapshotFeed>> own_scans(const Config& config, const Clock& clock,
                                                boost::asio::io_context& context,
                                                std::unique_ptr<ApiNames>& names) {
  auto asked = ApiNames::make(config, context);
  if (!asked) return tl::unexpected(asked.error());
  names = std::move(*asked);
  if (names) names->wait(kTopNamesWithin);
  auto made = make_scanner(config, clock, names ? &names->directory() : nullptr);
  if (!made) return tl::unexpected(made.error());
  return scan_here(std::move(made->scanner), SocketOwners(config.paths.proc), clock);
}

int display(const Config& config) {
  const auto signals = ending_signals();
  const SystemClock clock;
  boost::asio::io_context context(1);
  std::unique_ptr<ApiNames> names;
  auto feed = find_agent(config.web.listen_addresses, clock);
  if (feed == nullptr) {
    auto own = own_scans(config, clock, context, names);
    if (!own) {
      fmt::print(stderr, "closewatch: {}\n", own.error().what);
      return kExitFailure;
    }
    feed = std::move(*own);
  }
  const auto terminal = Terminal::open();
  if (!terminal) {
    fmt::print(stderr, "closewatch: {}\n", terminal.error().what);
    return kExitFailure;
  }
  TopScreen screen(feed->source());
  Refresh refresh(*feed, screen);
  do {
    while (const auto press = (*terminal)->read()) screen.press(*press);
    refresh.tick();
    (*terminal)->draw(
        screen.lines((*terminal)->width(), (*terminal)->height(), clock.steady_now()));
  } while (!screen.ended() && wait_for_input(signals));
  return kExitSuccess;
}

/// For a pipe or a file: the table once, of the agent's last snapshot if there is an agent.
int print_once(Config config) {
  const SystemClock clock;
  const auto agent = find_agent(config.web.listen_addresses, clock);
  const auto snapshot = agent ? agent->latest() : nullptr;
  if (!snapshot || *snapshot == nullptr) return scan(std::move(config), {});
  return print(snapshot_table(**snapshot, {})) ? kExitSuccess : kExitFailure;
}

}  // namespace

int top(Config config) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    return print_once(std::move(config));
  }
  // What `kubectl exec` starts may lack it; what is attached to it understands xterm.
  ::setenv("TERM", "xterm", 0);  // NOLINT(concurrency-mt-unsafe): there is one thread yet
  return with_terminal_kept([&] { return display(config); });
}

}  // namespace closewatch
