// SPDX-License-Identifier: Apache-2.0
#include "closewatch/engines/engine_status.h"

#include "closewatch/pods/namespace_opener.h"

namespace closewatch {

std::string_view reason_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kDenied:
      return kEngineDenied;
    case ErrorKind::kUnsupported:
      return kEngineUnsupported;
    case ErrorKind::kGone:
    case ErrorKind::kForeign:
    case ErrorKind::kInterrupted:
    case ErrorKind::kMalformed:
    case ErrorKind::kSystem:
    case ErrorKind::kOverLimit:
    case ErrorKind::kHung:
      return kEngineFailed;
  }
  return kEngineFailed;
}

std::size_t namespaces_of_pod(Engine engine) {
  return engine == Engine::kBpf ? kManyNamespaces : kFewNamespaces;
}

}  // namespace closewatch
