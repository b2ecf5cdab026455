// SPDX-License-Identifier: Apache-2.0
#include "closewatch/crossing/scanner_end.h"

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include "closewatch/crossing/snapshot_codec.h"
#include "crossing/channel.h"
#include "crossing/message.h"

namespace closewatch::crossing {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenPulses{5};
constexpr std::chrono::seconds kSilence{30};

/// Names of as many pods as may be, each as long as it may be, and some more.
constexpr ChannelLimits kFromNetwork{.bytes = std::size_t{16} << 20U, .in_second = 100};

class ScannerSide final : public ScannerEnd {
 public:
  ScannerSide(asio::io_context& context, UniqueFd socket, ScannerParts parts)
      : context_(context),
        parts_(std::move(parts)),
        channel_(
            context, std::move(socket), kFromNetwork,
            [this](std::uint8_t kind, std::string_view content) { return take(kind, content); },
            [this](const std::string& why) { parts_.ended(why); }),
        pulse_(context) {
    beat();
  }
  ScannerSide(const ScannerSide&) = delete;
  ScannerSide& operator=(const ScannerSide&) = delete;
  ScannerSide(ScannerSide&&) = delete;
  ScannerSide& operator=(ScannerSide&&) = delete;
  ~ScannerSide() override { desk_.join(); }

  void publish() override {
    asio::post(context_, [this] {
      send(ToNetwork::kSnapshot, [this] { return snapshot(); });
      send_pulse();  // a scan is what the scanner takes CPU for
    });
  }
  void close() override { channel_.close(); }
  [[nodiscard]] bool is_ready() const override { return is_ready_; }
  [[nodiscard]] bool is_heard() const override {
    return steady_clock::now() - heard_at_ < kSilence;
  }

 private:
  void send(ToNetwork kind, Channel::Write write) {
    channel_.send(static_cast<std::uint8_t>(kind), std::move(write));
  }

  std::optional<std::string> snapshot() {
    const auto last = parts_.snapshots.last();
    if (last == nullptr) return std::nullopt;
    auto bytes = encode_snapshot(*last);
    if (bytes.size() <= kMostOfSnapshot) return bytes;
    parts_.complain(fmt::format(
        "the last scan takes {} bytes, and {} at most are shown: what is shown grows old",
        bytes.size(), kMostOfSnapshot));
    return std::nullopt;
  }

  void beat() {
    send_pulse();
    pulse_.expires_after(kBetweenPulses);
    pulse_.async_wait([this](const boost::system::error_code& error) {
      if (!error) beat();
    });
  }

  void send_pulse() {
    send(ToNetwork::kPulse, [this] {
      return pack(Pulse{parts_.alive(), read_process_stats(), read_process_stats(parts_.network)});
    });
  }

  Result<void> take(std::uint8_t kind, std::string_view content) {
    switch (static_cast<ToScanner>(kind)) {
      case ToScanner::kReady:
        is_ready_ = true;
        return {};
      case ToScanner::kEcho:
        heard_at_ = steady_clock::now();
        return {};
      case ToScanner::kNames:
        return take_names(content);
      case ToScanner::kWhoHolds:
        return answer(content);
    }
    return fail(ErrorKind::kMalformed, fmt::format("a message of the kind {}", kind));
  }

  Result<void> take_names(std::string_view content) {
    auto told = unpack_names(content);
    if (!told) return tl::unexpected(told.error());
    parts_.names.replace(std::move(told->pods));
    parts_.names.set_state(std::move(told->state));
    return {};
  }

  Result<void> answer(std::string_view content) {
    auto question = unpack_who_holds(content);
    if (!question) return tl::unexpected(question.error());
    if (is_looking_) {
      send_holders({question->number,
                    {{}, Error{ErrorKind::kOverLimit, "another pod is being looked through"}}});
      return {};
    }
    is_looking_ = true;
    asio::post(desk_, [this, snapshot = parts_.snapshots.last(), asked = std::move(*question)] {
      asio::post(context_, [this, holders = Holders{asked.number, look(snapshot.get(), asked)}] {
        is_looking_ = false;
        send_holders(holders);
      });
    });
    return {};
  }

  /// Among the processes of the pod that is meant, wherever these are: there may be several of one
  /// uid, without Kubernetes. In the desk's thread.
  [[nodiscard]] SocketOwnerList look(const Snapshot* snapshot, const WhoHolds& question) const {
    SocketOwnerList found;
    if (snapshot == nullptr) return found;
    try {
      for (const auto& pod : snapshot->pods) {
        if (pod.uid != question.uid) continue;
        auto more = parts_.owners_of(pod, question.inodes);
        found.by_inode.merge(std::move(more.by_inode));
        if (more.error) found.error = std::move(more.error);
      }
    } catch (const std::exception&) {  // none may leave the thread
      found.error = Error{ErrorKind::kSystem, "looking for them has failed; ask again"};
    }
    return found;
  }

  void send_holders(Holders holders) {
    send(ToNetwork::kHolders, [holders = std::move(holders)] { return pack(holders); });
  }

  asio::io_context& context_;
  ScannerParts parts_;
  Channel channel_;
  asio::steady_timer pulse_;
  bool is_ready_ = false;
  steady_clock::time_point heard_at_ = steady_clock::now();
  bool is_looking_ = false;
  asio::thread_pool desk_{1};
};

}  // namespace

std::unique_ptr<ScannerEnd> ScannerEnd::open(asio::io_context& context, UniqueFd socket,
                                             ScannerParts parts) {
  return std::make_unique<ScannerSide>(context, std::move(socket), std::move(parts));
}

}  // namespace closewatch::crossing
