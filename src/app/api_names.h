// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/api_transport.h"
#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/kubernetes/pod_watcher.h"
#include "closewatch/settings/config.h"

namespace closewatch {

/// The pods' names as the API server tells them, kept up to date while the io_context runs.
class ApiNames {
 public:
  /// Whom to ask; nullopt when the configuration, and with metadata.source=auto the environment,
  /// want the names out of the log directories alone. An error names what metadata.source=api
  /// lacks.
  static Result<std::optional<ApiAccess>> access_for(const Config& config);

  /// Of whom access_for() tells; nullptr when that is nobody.
  static Result<std::unique_ptr<ApiNames>> make(const Config& config,
                                                boost::asio::io_context& context);

  /// Starts asking. `changed` is told of each change of what is known.
  ApiNames(
      boost::asio::io_context& context, ApiAccess access, std::string node,
      std::function<void(const PodDirectory&)> changed = [](const PodDirectory&) {});

  /// Runs the io_context until the first answer or failure, at most so long, so that the first scan
  /// has names.
  void wait(std::chrono::milliseconds most);
  /// By which names the API server goes, by its certificate. Its proxy asks the agent by one of
  /// them: it hands on the Host that it was asked by (UpgradeAwareHandler in
  /// k8s.io/apimachinery/pkg/util/proxy, UseLocationHost is not set).
  [[nodiscard]] const http::HostNames& server_names() const { return watcher_.server_names(); }
  [[nodiscard]] const PodDirectory& directory() const { return directory_; }

 private:
  boost::asio::io_context& context_;
  PodDirectory directory_;
  std::unique_ptr<ApiTransport> transport_;
  PodWatcher watcher_;
};

}  // namespace closewatch
