#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "app/commands.h"
#include "app/standard_output.h"
#include "closewatch/http/client.h"

namespace closewatch {
namespace {

constexpr std::chrono::seconds kGetPatience{5};

}  // namespace

int get(const Config& config, const std::string& path) {
  const auto answer = http::get(config.web.listen_address, path, kGetPatience);
  if (!answer) {
    fmt::print(stderr, "closewatch: {}\n", answer.error().what);
    return kExitFailure;
  }
  const auto& body = answer->body;
  if (answer->status != http::kOk) {
    fmt::print(stderr, "closewatch: {} says {}: {}{}", path, answer->status, body,
               body.ends_with('\n') ? "" : "\n");
    return kExitFailure;
  }
  return print(body) ? kExitSuccess : kExitFailure;
}

}  // namespace closewatch
