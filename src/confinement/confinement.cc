// SPDX-License-Identifier: Apache-2.0
#include "closewatch/confinement/confinement.h"

#include "confinement/landlock.h"
#include "confinement/privileges.h"
#include "confinement/system_calls.h"

namespace closewatch {

Confinement confine(const Confines& confines) {
  Confinement confinement;
  const auto note = [&](const Result<void>& done, bool& enforced, const char* consequence) {
    enforced = done.has_value();
    if (!done) confinement.missing.push_back(done.error().what + ": " + consequence);
  };
  // In this order: each but the first needs what goes before, and the last forbids the others.
  note(drop_privileges(), confinement.capabilities,
       "the network's process keeps the agent's capabilities");
  note(confine_files(confines), confinement.files,
       "the network's process may open for reading whatever its user may");
  note(confine_system_calls(confines.asks_at_port.has_value()), confinement.system_calls,
       "the network's process may make any system call");
  return confinement;
}

}  // namespace closewatch
