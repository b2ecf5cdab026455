// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kernel/engine.h"
#include "closewatch/kernel/socket_source.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/settings/config.h"

namespace closewatch {

struct ChosenEngine {
  std::unique_ptr<SocketSource> source;
  Engine engine = Engine::kInetDiag;
  std::vector<EngineStatus> engines;  ///< all there are, and why the others are not in use
  std::vector<std::string> remarks;   ///< a sentence for each that did not work, with the remedy
  std::vector<std::string> details;   ///< all that was said of it, in many lines, for debugging
};

/// Makes an engine: the one that is asked for, or the first that works: for kAuto of inet_diag
/// (which takes CAP_SYS_ADMIN and CAP_SYS_PTRACE), bpf and procfs; for kBpf of bpf, inet_diag and
/// procfs. inet_diag and procfs that are asked for are not replaced: they work for a part of the
/// pods, at least.
Result<ChosenEngine> choose_engine(EngineChoice choice);

/// Makes another source of an engine that works. Errors: kSystem.
Result<std::unique_ptr<SocketSource>> make_another(Engine engine);

/// How an engine is made; an error says why it cannot be.
using EngineMaker = std::function<Result<std::unique_ptr<SocketSource>>(Engine)>;
/// The same with makers of one's own.
Result<ChosenEngine> choose_engine(EngineChoice choice, const EngineMaker& make);

}  // namespace closewatch
