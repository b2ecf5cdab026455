// SPDX-License-Identifier: Apache-2.0
#include "closewatch/top/snapshot_feed.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "closewatch/api/snapshot_json_reader.h"
#include "closewatch/http/client.h"
#include "closewatch/http/url_segment.h"
#include "closewatch/scan/guarded_owners.h"
#include "closewatch/scan/scan_loop.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;

/// How long an agent may take to answer: it is near, and the keys wait for it.
constexpr std::chrono::seconds kFeedPatience{3};
constexpr unsigned kNotYet = 503;
/// No agent gives more at once (docs/architecture.md, "Limits"), but anybody may listen where one
/// should; as JSON it takes many times its size.
constexpr std::uint64_t kMostOfFeed = (std::uint64_t{8} << 20U) + (std::uint64_t{64} << 10U);

/// Reads what the agent serves to everybody.
class AgentFeed final : public SnapshotFeed {
 public:
  AgentFeed(http::ListenAddress address, const Clock& clock)
      : address_(std::move(address)), clock_(clock) {}

  Result<std::shared_ptr<const Snapshot>> latest() override {
    const auto now = clock_.steady_now();
    if (now < next_look_) return last_;
    last_ = look();
    next_look_ = std::max(next_scan(), clock_.steady_now() + 1s);
    return last_;
  }

  Result<SocketListing> sockets(const std::string& pod_namespace,
                                const std::string& name) override {
    const auto path = fmt::format("/api/v1/pods/{}/{}/sockets", http::url_segment(pod_namespace),
                                  http::url_segment(name));
    const auto answer = http::get(address_, path, kFeedPatience, kMostOfFeed);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->status != http::kOk)
      return fail(ErrorKind::kUnsupported, http::first_line(*answer));
    return read_listing_json(answer->body);
  }

  [[nodiscard]] std::string source() const override {
    return "agent at " + http::to_text(address_);
  }

 private:
  /// Its scans end a little after they are due.
  [[nodiscard]] std::chrono::steady_clock::time_point next_scan() const {
    constexpr std::chrono::milliseconds kLate{300};
    if (!last_ || *last_ == nullptr) return {};
    return (*last_)->taken_at_steady + (*last_)->interval + kLate;
  }

  [[nodiscard]] Result<std::shared_ptr<const Snapshot>> look() const {
    const auto answer = http::get(address_, "/api/v1/pods", kFeedPatience, kMostOfFeed);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->status == kNotYet) return nullptr;
    if (answer->status != http::kOk) {
      return fail(ErrorKind::kUnsupported,
                  fmt::format("{} answers with status {}", source(), answer->status));
    }
    auto snapshot = read_snapshot_json(answer->body, clock_);
    if (!snapshot) return tl::unexpected(snapshot.error());
    return std::make_shared<const Snapshot>(std::move(*snapshot));
  }

  http::ListenAddress address_;
  const Clock& clock_;
  Result<std::shared_ptr<const Snapshot>> last_ = nullptr;
  std::chrono::steady_clock::time_point next_look_{};
};

class OwnScans final : public SnapshotFeed {
 public:
  OwnScans(std::unique_ptr<Scanner> scanner, SocketOwners owners, const Clock& clock)
      : owners_(std::move(owners)), loop_(std::move(scanner), snapshots_, {}, clock) {}

  Result<std::shared_ptr<const Snapshot>> latest() override { return snapshots_.last(); }

  Result<SocketListing> sockets(const std::string& pod_namespace,
                                const std::string& name) override {
    const auto snapshot = snapshots_.last();
    const auto pods =
        snapshot == nullptr ? Namesakes() : find_namesakes(*snapshot, pod_namespace, name);
    if (pods.empty()) return fail(ErrorKind::kGone, "this pod has gone");
    return list_sockets(pods, [this](const Pod& pod, std::vector<std::uint32_t> inodes) {
      return owners_.find(pod, std::move(inodes));
    });
  }

  [[nodiscard]] std::string source() const override { return "own scans, no agent answers"; }

 private:
  GuardedOwners owners_;
  SnapshotStore snapshots_;
  ScanLoop loop_;  // last, so that its thread ends before what it uses
};

}  // namespace

std::unique_ptr<SnapshotFeed> find_agent(const std::vector<http::ListenAddress>& addresses,
                                         const Clock& clock) {
  for (const auto& address : http::best_to_ask(addresses)) {
    auto agent = std::make_unique<AgentFeed>(address, clock);
    if (agent->latest()) return agent;
  }
  return nullptr;
}

std::unique_ptr<SnapshotFeed> scan_here(std::unique_ptr<Scanner> scanner, SocketOwners owners,
                                        const Clock& clock) {
  return std::make_unique<OwnScans>(std::move(scanner), std::move(owners), clock);
}

}  // namespace closewatch
