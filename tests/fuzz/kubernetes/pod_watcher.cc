// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_watcher.h"

#include <array>

#include "tests/fuzz/fuzz.h"
#include <boost/asio/post.hpp>

namespace closewatch::fuzz {
namespace {

using namespace std::chrono_literals;

/// Takes answers off the input: a byte for the status, one for the length of what follows, one for
/// how it ends. When nothing is left it is silent.
class FakeApiTransport final : public ApiTransport {
 public:
  FakeApiTransport(boost::asio::io_context& context, std::string_view input)
      : context_(context), input_(input) {}

  void ask(const ApiRequest& request, http::Receiver& receiver) override {
    require(is_printable(request.target) && request.target.find(' ') == std::string::npos,
            "a target is encoded");
    if (input_.empty()) return context_.stop();
    boost::asio::post(context_, [&] { answer(receiver); });
  }

 private:
  void answer(http::Receiver& receiver) {
    constexpr std::array kStatuses = {200U, 200U, 200U, 401U, 403U, 410U, 429U, 0U};
    const auto status = kStatuses.at(take_byte(input_) % kStatuses.size());
    const auto body = input_.substr(0, 8 * std::size_t{take_byte(input_)});
    input_.remove_prefix(body.size());
    const bool is_cut = take_byte(input_) % 2 == 1;
    if (status != 0) {
      receiver.on_answer({status, std::nullopt, "", true});
      for (std::size_t at = 0; at < body.size(); at += kPiece) {
        if (!receiver.on_body(body.substr(at, kPiece))) return receiver.on_end({});
      }
    }
    receiver.on_end(is_cut ? Result<void>(fail(ErrorKind::kSystem, "cut")) : Result<void>());
  }

  static constexpr std::size_t kPiece = 100;
  boost::asio::io_context& context_;
  std::string_view input_;
};

}  // namespace

/// What an API server answers, one request after the other.
void attempt(std::string_view input) {
  boost::asio::io_context context(1);
  FakeApiTransport transport(context, input);
  PodDirectory directory;
  PodWatcher watcher(context, transport, directory,
                     {.node = "n1", .first_retry = 0ms, .slowest_retry = 0ms, .seed = 1});
  watcher.start();
  context.run();
  const auto state = directory.state();
  require(state || is_printable(state.error().what), "an error is fit for a log");
}

}  // namespace closewatch::fuzz
