// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace closewatch {

/// Of a DNS subdomain (RFC 1123), the longest that Kubernetes takes for any of these.
inline constexpr std::size_t kLongestObjectName = 253;

/// Whether the text is what the API server allows as the name of a pod, a namespace, a container or
/// an owner: ASCII letters, digits, "-" and ".", not too many of them. Nothing else may become a
/// label: one byte that is no UTF-8 and Prometheus refuses the whole scrape. Pure.
bool is_object_name(std::string_view text);

}  // namespace closewatch
