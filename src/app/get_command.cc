// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "app/commands.h"
#include "app/standard_output.h"
#include "closewatch/base/terminal_text.h"
#include "closewatch/http/client.h"

namespace closewatch {
namespace {

constexpr std::chrono::seconds kGetPatience{5};  // for all of it
constexpr std::string_view kScheme = "http://";

/// A path is the agent's that the configuration names; an address has its server in it.
Result<http::Response> ask(const Config& config, std::string_view what) {
  if (!what.starts_with(kScheme)) {
    Result<http::Response> answer = fail(ErrorKind::kSystem, "no address is configured");
    for (const auto& address : http::best_to_ask(config.web.listen_addresses)) {
      answer = http::get(address, what, kGetPatience);
      if (answer) break;
    }
    return answer;
  }
  what.remove_prefix(kScheme.size());
  const auto server = what.substr(0, what.find('/'));
  const auto address = http::look_up(server);
  if (!address) return tl::unexpected(address.error());
  return http::get(*address, what.substr(server.size()), kGetPatience);
}

}  // namespace

int get(const Config& config, const std::string& path) {
  const auto answer = ask(config, path);
  if (!answer) {
    fmt::print(stderr, "closewatch: {}\n", answer.error().what);
    return kExitFailure;
  }
  if (answer->status != http::kOk) {
    fmt::print(stderr, "closewatch: {} says {}: {}\n", path, answer->status,
               http::first_line(*answer));
    return kExitFailure;
  }
  // It may be anybody who has answered, and who reads this sits at a terminal somewhere.
  return print(terminal_text(answer->body)) ? kExitSuccess : kExitFailure;
}

}  // namespace closewatch
