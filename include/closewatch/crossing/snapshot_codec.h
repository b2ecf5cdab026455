// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/scan/snapshot.h"

namespace closewatch::crossing {

/// A snapshot as bytes, with all that anybody shows of it: where its pods' processes and namespaces
/// are stays with whoever scans. Pure.
std::string encode_snapshot(const Snapshot& snapshot);

/// The snapshot that such bytes are of. Whatever they are, they are checked: lengths, members of
/// enumerations, places in lists, the order of the pods. Error: kMalformed. Pure.
Result<std::shared_ptr<const Snapshot>> decode_snapshot(std::string_view bytes);

}  // namespace closewatch::crossing
