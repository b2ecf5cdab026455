// SPDX-License-Identifier: Apache-2.0
#include "app/engine_choice.h"

#include <sys/utsname.h>

#include <algorithm>
#include <span>
#include <utility>

#include "closewatch/engines/capabilities.h"
#include "closewatch/kernel/engines.h"

namespace closewatch {
namespace {

/// "Linux 6.1.0-38-amd64".
std::string kernel_name() {
  utsname name{};
  (void)::uname(&name);  // fails for a bad address only
  return std::string(static_cast<const char*>(name.sysname)) + " " +
         static_cast<const char*>(name.release);
}

/// In the order in which they are tried.
std::span<const Engine> candidates(EngineChoice choice) {
  static constexpr std::array kFromInetDiag = {Engine::kInetDiag, Engine::kBpf, Engine::kProcfs};
  static constexpr std::array kFromBpf = {Engine::kBpf, Engine::kInetDiag, Engine::kProcfs};
  switch (choice) {
    case EngineChoice::kAuto:
      return kFromInetDiag;
    case EngineChoice::kBpf:
      return kFromBpf;
    case EngineChoice::kInetDiag:
      return std::span(kFromInetDiag).first(1);
    case EngineChoice::kProcfs:
      return std::span(kFromInetDiag).last(1);
  }
  return kFromInetDiag;
}

Result<std::unique_ptr<SocketSource>> make_engine(Engine engine, bool chosen,
                                                  std::vector<std::string>& details) {
  switch (engine) {
    case Engine::kInetDiag: {
      const auto missing = missing_capabilities(engine);
      if (!chosen && !missing.empty()) return fail(ErrorKind::kDenied, missing.front());
      return make_inet_diag_source();
    }
    case Engine::kBpf:
      return make_bpf_source(details);
    case Engine::kProcfs:
      return make_procfs_source();
  }
  return fail(ErrorKind::kSystem, "no such engine");
}

}  // namespace

Result<std::unique_ptr<SocketSource>> make_another(Engine engine) {
  std::vector<std::string> details;
  return make_engine(engine, true, details);
}

Result<ChosenEngine> choose_engine(EngineChoice choice) {
  const bool only = candidates(choice).size() == 1;
  std::vector<std::string> details;
  const auto make = [&](Engine engine) -> Result<std::unique_ptr<SocketSource>> {
    // Where auto takes bpf, namespaces have to be found as well.
    const auto missing = missing_capabilities(engine);
    if (choice == EngineChoice::kAuto && !missing.empty()) {
      return fail(ErrorKind::kDenied, missing.front());
    }
    return make_engine(engine, only, details);
  };
  auto chosen = choose_engine(choice, make);
  if (chosen) chosen->details = std::move(details);
  return chosen;
}

Result<ChosenEngine> choose_engine(EngineChoice choice, const EngineMaker& make) {
  ChosenEngine chosen;
  const auto others = choice == EngineChoice::kAuto ? kEngineNotNeeded : kEngineNotTried;
  for (const auto engine : kEngines) chosen.engines.push_back({engine, others});
  const auto reason = [&](Engine engine) -> std::string_view& {
    return std::find_if(chosen.engines.begin(), chosen.engines.end(),
                        [&](const EngineStatus& status) { return status.engine == engine; })
        ->reason;
  };
  Error last{ErrorKind::kSystem, "no engine was tried"};
  for (const auto engine : candidates(choice)) {
    auto source = make(engine);
    if (source) {
      chosen.source = std::move(*source);
      chosen.engine = engine;
      reason(engine) = "";
      for (auto& remark : chosen.remarks) {
        remark += "; " + std::string(name_of(engine)) + " is used instead";
      }
      return chosen;
    }
    last = source.error();
    reason(engine) = reason_of(last);
    chosen.remarks.push_back("the engine " + std::string(name_of(engine)) + " cannot be used on " +
                             kernel_name() + ": " + last.what);
  }
  return tl::unexpected(last);
}

}  // namespace closewatch
