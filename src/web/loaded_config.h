// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ssl/context.hpp>

#include "closewatch/base/result.h"
#include "web/web_settings.h"

namespace closewatch::web {

/// A web configuration file with all that it names; or nothing, without one.
struct LoadedConfig {
  WebSettings settings;
  std::shared_ptr<boost::asio::ssl::context> tls;  ///< null when there is none
  std::vector<std::string> remarks;

  /// Whether it keeps anybody out.
  [[nodiscard]] bool protects() const { return tls != nullptr || !settings.users.empty(); }
};

/// Without a file its name is empty. Where tokens are taken it is a remark that anybody on the way
/// could read them. Errors: each mistake, a line each.
Result<LoadedConfig> load_config(const std::string& file, bool takes_tokens);

/// What changes when one of the files does: of which inode they are, how long, since when. `config`
/// names the files beside its own.
std::string state_of_files(const std::string& file, const WebSettings& settings);

}  // namespace closewatch::web
