// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/http/message.h"
#include "closewatch/kubernetes/access_reviewer.h"
#include "closewatch/web/web_facts.h"

namespace boost::asio {
class io_context;
}

namespace boost::asio::ssl {
class context;
}

namespace closewatch::web {

/// What is to be told, in lines for people.
struct WebLog {
  std::function<void(const std::string&)> info = [](const std::string& /*line*/) {};
  std::function<void(const std::string&)> warn = [](const std::string& /*line*/) {};
};

/// What a web configuration file says that is right but not as it may seem; and that tokens would
/// be read on their way, if they are taken. Without a file its name is empty. Errors: what is wrong
/// with it or with a file that it names, a line each.
Result<std::vector<std::string>> check_web_config(const std::string& file, bool takes_tokens);

/// In which directories the file and those that it names are, and where links of these names lead:
/// what whoever follows them has to read. None without a file. Errors as of check_web_config().
Result<std::vector<std::string>> directories_of_web_config(const std::string& file);

/// By what people come in: one of them at least.
struct WebKeys {
  std::string file{};                  ///< a web configuration file; empty: none
  AccessReviewer* reviewer = nullptr;  ///< of Kubernetes' tokens; null: none are taken
};

/// Lets in whom a web configuration file of the Prometheus exporter-toolkit lets in. The file and
/// those that it names are read anew within some seconds after they have changed; while they are
/// wrong, what was read last stays in force. With a reviewer it lets in, beside the users of the
/// file, who shows a bearer token whose owner may get the path, as Kubernetes says. Who comes over
/// a UNIX socket is let in. Belongs to the thread of its context.
class WebAccess {
 public:
  /// Errors as of check_web_config(). `context` and the reviewer must outlive it.
  static Result<std::unique_ptr<WebAccess>> open(boost::asio::io_context& context,
                                                 const WebKeys& keys, WebLog log);
  WebAccess() = default;
  WebAccess(const WebAccess&) = delete;
  WebAccess& operator=(const WebAccess&) = delete;
  virtual ~WebAccess() = default;

  /// A handler that asks `inner` what whoever is let in asks. This must outlive it.
  virtual http::Handler guard(http::Handler inner) = 0;
  /// For a new connection; null: it has no TLS.
  virtual std::shared_ptr<boost::asio::ssl::context> tls() = 0;
  /// Counts it, and says so now and then.
  virtual void note_failed_handshake(const std::string& client, const std::string& why) = 0;
  [[nodiscard]] virtual WebFacts facts() const = 0;
};

}  // namespace closewatch::web
