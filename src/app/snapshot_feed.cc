#include "closewatch/app/snapshot_feed.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <spdlog/logger.h>

#include "closewatch/app/api_names.h"
#include "closewatch/app/make_scanner.h"
#include "closewatch/app/scan_loop.h"
#include "closewatch/export/html.h"
#include "closewatch/export/snapshot_json_reader.h"
#include "closewatch/http/get.h"
#include "closewatch/pods/socket_owners.h"

namespace closewatch {
namespace {

using namespace std::chrono_literals;

/// How long an agent may take to answer: it is near, and the keys wait for it.
constexpr std::chrono::seconds kFeedPatience{3};
constexpr std::chrono::seconds kFeedNamesWithin{5};
constexpr unsigned kNotYet = 503;

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
    const auto path =
        fmt::format("/api/v1/pods/{}/{}/sockets", url_segment(pod_namespace), url_segment(name));
    const auto answer = http::get(address_, path, kFeedPatience);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->status != http::kOk) return fail(ErrorKind::kUnsupported, answer->body);
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
    const auto answer = http::get(address_, "/api/v1/pods", kFeedPatience);
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

/// What the API server tells before the first scan is what the pods are called.
class OwnScans final : public SnapshotFeed {
 public:
  OwnScans(std::unique_ptr<boost::asio::io_context> context, std::unique_ptr<ApiNames> names,
           std::unique_ptr<Scanner> scanner, const Config& config, const Clock& clock)
      : context_(std::move(context)),
        names_(std::move(names)),
        owners_(config.paths.proc),
        loop_(std::move(scanner), snapshots_, std::make_shared<spdlog::logger>("nobody"), clock) {}

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
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<ApiNames> names_;
  SocketOwners owners_;
  SnapshotStore snapshots_;
  ScanLoop loop_;  // last, so that its thread ends before what it uses
};

}  // namespace

std::unique_ptr<SnapshotFeed> find_agent(const Config& config, const Clock& clock) {
  auto agent = std::make_unique<AgentFeed>(config.web.listen_address, clock);
  if (!agent->latest()) return nullptr;
  return agent;
}

Result<std::unique_ptr<SnapshotFeed>> scan_here(const Config& config, const Clock& clock) {
  auto context = std::make_unique<boost::asio::io_context>(1);
  auto names = ApiNames::make(config, *context);
  if (!names) return tl::unexpected(names.error());
  if (*names) (*names)->wait(kFeedNamesWithin);
  auto scanner = make_scanner(config, clock, *names ? &(*names)->directory() : nullptr);
  if (!scanner) return tl::unexpected(scanner.error());
  return std::make_unique<OwnScans>(std::move(context), std::move(*names),
                                    std::move(scanner->scanner), config, clock);
}

}  // namespace closewatch
