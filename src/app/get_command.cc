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
  if (answer->status != http::kOk) {
    fmt::print(stderr, "closewatch: {} says {}: {}\n", path, answer->status,
               http::first_line(*answer));
    return kExitFailure;
  }
  return print(answer->body) ? kExitSuccess : kExitFailure;
}

}  // namespace closewatch
