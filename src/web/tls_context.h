// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ssl/context.hpp>

#include "closewatch/base/result.h"
#include "web/web_settings.h"

namespace closewatch::web {

struct TlsContext {
  std::shared_ptr<boost::asio::ssl::context> context;  ///< null when TLS is not wanted
  std::vector<std::string> remarks{};
};

/// What a server speaks TLS by, with what is in the files that are named. Errors say which file,
/// and what is wrong with it.
Result<TlsContext> make_tls_context(const TlsSettings& settings);

}  // namespace closewatch::web
