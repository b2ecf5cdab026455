#pragma once

#include <string_view>

namespace closewatch {

/// Whether the text is what the API server allows as the name of a pod, a namespace, a container or
/// an owner: ASCII letters, digits, "-" and ".". Nothing else may become a label: one byte that is
/// no UTF-8 and Prometheus refuses the whole scrape. Pure.
bool is_object_name(std::string_view text);

}  // namespace closewatch
