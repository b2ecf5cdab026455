// SPDX-License-Identifier: Apache-2.0
#include "closewatch/crossing/network_end.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "closewatch/crossing/snapshot_codec.h"
#include "crossing/channel.h"
#include "crossing/message.h"

namespace closewatch::crossing {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

/// Of the scanner's main thread, which does nothing that takes long.
constexpr std::chrono::minutes kLongestSilence{1};
/// A pod is looked through within 2 s.
constexpr std::chrono::seconds kPatience{4};

constexpr ChannelLimits kFromScanner{.bytes = kMostOfSnapshot + 1,
                                     .in_second = std::numeric_limits<std::size_t>::max()};

/// Of a message that says all by its kind.
std::string nothing() { return {}; }

SocketOwnerList nobody(ErrorKind kind, const char* why) { return {{}, Error{kind, why}}; }

class NetworkSide final : public NetworkEnd {
 public:
  NetworkSide(asio::io_context& context, UniqueFd socket, SnapshotStore& snapshots, OnEnd on_end)
      : context_(context),
        snapshots_(snapshots),
        on_end_(std::move(on_end)),
        channel_(
            context, std::move(socket), kFromScanner,
            [this](std::uint8_t kind, std::string_view content) { return take(kind, content); },
            [this](const std::string& why) { on_end_(why); }) {}

  void tell_ready() override { send(ToScanner::kReady, nothing); }

  void tell_names(const PodDirectory& names) override {
    // Before the API server has answered there is nothing to tell, neither names nor a failure.
    send(ToScanner::kNames, [&names]() -> std::optional<std::string> {
      if (!names.settled()) return std::nullopt;
      return pack(Names{names.pods(), names.state()});
    });
  }

  [[nodiscard]] bool alive() const override {
    return pulse_.alive && steady_clock::now() - pulse_at_ < kLongestSilence;
  }

  [[nodiscard]] ProcessStats process_stats() const override {
    auto here = pulse_.network;
    here.cpu_seconds = cpu_seconds_of(::getpid());
    return together(pulse_.scanner, here);
  }

  SocketOwnerList find_owners(const Pod& pod, std::vector<std::uint32_t> inodes) override {
    inodes.resize(std::min(inodes.size(), kMostInodes));
    std::unique_lock lock(mutex_);
    const auto number = ++asked_;
    answer_.reset();
    asio::post(context_, [this, question = WhoHolds{number, pod.uid, std::move(inodes)}] {
      send(ToScanner::kWhoHolds, [question] { return pack(question); });
    });
    news_.wait_for(lock, kPatience, [this] { return closed_ || answer_.has_value(); });
    if (answer_) return *std::exchange(answer_, std::nullopt);
    ++asked_;  // what comes now is too late
    return closed_ ? nobody(ErrorKind::kSystem, "the agent ends")
                   : nobody(ErrorKind::kHung, "the scanner has not answered; ask again");
  }

  void close() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    news_.notify_all();
  }

 private:
  void send(ToScanner kind, Channel::Write write) {
    channel_.send(static_cast<std::uint8_t>(kind), std::move(write));
  }

  Result<void> take(std::uint8_t kind, std::string_view content) {
    switch (static_cast<ToNetwork>(kind)) {
      case ToNetwork::kSnapshot:
        return take_snapshot(content);
      case ToNetwork::kPulse:
        return take_pulse(content);
      case ToNetwork::kHolders:
        return take_holders(content);
    }
    return fail(ErrorKind::kMalformed, fmt::format("a message of the kind {}", kind));
  }

  Result<void> take_snapshot(std::string_view content) {
    auto snapshot = decode_snapshot(content);
    if (!snapshot) return tl::unexpected(snapshot.error());
    snapshots_.publish(std::move(*snapshot));
    return {};
  }

  Result<void> take_pulse(std::string_view content) {
    const auto pulse = unpack_pulse(content);
    if (!pulse) return tl::unexpected(pulse.error());
    pulse_ = *pulse;
    pulse_at_ = steady_clock::now();
    send(ToScanner::kEcho, nothing);
    return {};
  }

  Result<void> take_holders(std::string_view content) {
    auto holders = unpack_holders(content);
    if (!holders) return tl::unexpected(holders.error());
    {
      const std::lock_guard lock(mutex_);
      if (holders->number == asked_) answer_ = std::move(holders->list);
    }
    news_.notify_all();
    return {};
  }

  asio::io_context& context_;
  SnapshotStore& snapshots_;
  OnEnd on_end_;
  Channel channel_;
  Pulse pulse_;
  steady_clock::time_point pulse_at_ = steady_clock::now();

  std::mutex mutex_;  ///< of the following
  std::condition_variable news_;
  std::uint64_t asked_ = 0;
  std::optional<SocketOwnerList> answer_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<NetworkEnd> NetworkEnd::open(asio::io_context& context, UniqueFd socket,
                                             SnapshotStore& snapshots, OnEnd on_end) {
  return std::make_unique<NetworkSide>(context, std::move(socket), snapshots, std::move(on_end));
}

}  // namespace closewatch::crossing
