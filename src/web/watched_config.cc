// SPDX-License-Identifier: Apache-2.0
#include "web/watched_config.h"

#include <chrono>
#include <utility>

namespace closewatch::web {
namespace {

constexpr std::chrono::seconds kBetweenLooks{1};

}  // namespace

Result<std::unique_ptr<WatchedConfig>> WatchedConfig::open(boost::asio::io_context& context,
                                                           const WebKeys& keys, WebLog log,
                                                           OnRead on_read) {
  auto config = load_config(keys.file, keys.reviewer != nullptr);
  if (!config) return tl::unexpected(config.error());
  auto state = state_of_files(keys.file, config->settings);
  return std::unique_ptr<WatchedConfig>(new WatchedConfig(
      context, keys, std::move(log), std::move(on_read), std::move(*config), std::move(state)));
}

WatchedConfig::WatchedConfig(boost::asio::io_context& context, const WebKeys& keys, WebLog log,
                             OnRead on_read, LoadedConfig config, std::string state)
    : file_(keys.file),
      takes_tokens_(keys.reviewer != nullptr),
      log_(std::move(log)),
      on_read_(std::move(on_read)),
      looked_at_(state),
      timer_(context) {
  take(std::move(config), std::move(state));
  look_later();
}

void WatchedConfig::take(LoadedConfig config, std::string state) {
  for (const auto& remark : config.remarks) log_.warn(remark);
  config_ = std::make_shared<const LoadedConfig>(std::move(config));
  in_force_ = std::move(state);
  facts_ = {.is_current = true, .loaded_at = std::chrono::system_clock::now()};
}

void WatchedConfig::look_later() {
  timer_.expires_after(kBetweenLooks);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    look();
    look_later();
  });
}

/// A file that is being written may be right and not whole: so it is read when it is the same in
/// two looks.
void WatchedConfig::look() {
  auto state = state_of_files(file_, config_->settings);
  const bool is_settled = state == looked_at_;
  looked_at_ = state;
  const bool is_new = state != in_force_ || !complaint_.empty();
  if (!is_settled || !is_new) return;
  auto config = load_config(file_, takes_tokens_);
  if (config && state_of_files(file_, config_->settings) != state) return;  // while it was read
  if (config && !config->protects() && config_->protects()) {
    config = fail(ErrorKind::kMalformed,
                  file_ +
                      ": it has neither TLS nor users, which it had; to do without, restart "
                      "the agent");
  }
  if (!config) {
    facts_.is_current = false;
    if (config.error().what == complaint_) return;
    complaint_ = config.error().what;
    return log_.warn("the web configuration is wrong, and what was read last stays: " + complaint_);
  }
  complaint_.clear();
  // It may name other files than before.
  state = state_of_files(file_, config->settings);
  take(std::move(*config), std::move(state));
  on_read_(config_);
  log_.info("the web configuration was read anew: " + file_);
}

}  // namespace closewatch::web
