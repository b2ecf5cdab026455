// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/api_transport.h"

#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

Result<std::string> read_token(const std::string& directory) {
  std::string token;
  if (auto read = read_file_at(kWorkingDirectory, (directory + "/token").c_str(), token); !read) {
    return tl::unexpected(read.error());
  }
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  return token;
}

class TlsTransport final : public ApiTransport {
 public:
  TlsTransport(boost::asio::io_context& context, ApiAccess access)
      : context_(context), access_(std::move(access)) {}

  void ask(const ApiRequest& request, http::Receiver& receiver) override {
    const auto token = read_token(access_.service_account);
    if (!token) {
      boost::asio::post(
          context_, [&receiver, error = token.error()] { receiver.on_end(tl::unexpected(error)); });
      return;
    }
    std::vector<std::pair<std::string, std::string>> headers = {
        {"Accept", request.accept}, {"Authorization", "Bearer " + *token}};
    if (request.body) headers.emplace_back("Content-Type", "application/json");
    http::ask(context_, {access_.host, access_.port, access_.service_account + "/ca.crt"},
              {request.target, std::move(headers), request.silence, request.most_bytes,
               request.until, request.body},
              receiver);
  }

 private:
  boost::asio::io_context& context_;
  ApiAccess access_;
};

}  // namespace

std::unique_ptr<ApiTransport> make_api_transport(boost::asio::io_context& context,
                                                 ApiAccess access) {
  return std::make_unique<TlsTransport>(context, std::move(access));
}

}  // namespace closewatch
