// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "closewatch/web/web_access.h"
#include "web/loaded_config.h"

namespace closewatch::web {

/// A web configuration file that is read anew when it, or a file that it names, has changed. What
/// is wrong is told, and what was read last stays. Belongs to the thread of its context.
class WatchedConfig {
 public:
  using OnRead = std::function<void(std::shared_ptr<const LoadedConfig>)>;

  /// Errors: what is wrong with it. It tells `on_read` of what was read later.
  static Result<std::unique_ptr<WatchedConfig>> open(boost::asio::io_context& context,
                                                     const WebKeys& keys, WebLog log,
                                                     OnRead on_read);

  [[nodiscard]] const std::shared_ptr<const LoadedConfig>& config() const { return config_; }
  [[nodiscard]] WebFileFacts facts() const { return facts_; }

 private:
  WatchedConfig(boost::asio::io_context& context, const WebKeys& keys, WebLog log, OnRead on_read,
                LoadedConfig config, std::string state);

  void take(LoadedConfig config, std::string state);
  void look_later();
  void look();

  std::string file_;
  bool takes_tokens_;
  WebLog log_;
  OnRead on_read_;
  std::shared_ptr<const LoadedConfig> config_;
  std::string in_force_;  ///< the state of the files that is
  /// About what the files say by now, or nothing: it is tried again and again.
  std::string complaint_;
  std::string looked_at_;
  WebFileFacts facts_{};
  boost::asio::steady_timer timer_;
};

}  // namespace closewatch::web
