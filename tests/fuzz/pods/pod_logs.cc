// SPDX-License-Identifier: Apache-2.0
#include "closewatch/pods/pod_logs.h"

#include <string>

#include "tests/fuzz/fuzz.h"

#include "closewatch/kubernetes/object_name.h"

namespace closewatch::fuzz {

/// A name in /var/log/pods or /var/log/containers.
void attempt(std::string_view input) {
  if (const auto pod = parse_pod_log_name(input)) {
    require(
        is_object_name(pod->pod_namespace) && is_object_name(pod->name) && is_object_name(pod->uid),
        "a pod's names are fit for labels");
    require(std::string(pod->pod_namespace) + "_" + std::string(pod->name) + "_" +
                    std::string(pod->uid) ==
                input,
            "the parts make the whole");
  }
  if (const auto container = parse_container_log_name(input)) {
    require(is_object_name(container->container), "a container's name is fit for a label");
    require(input.ends_with(std::string(container->container) + "-" + std::string(container->id) +
                            ".log"),
            "the parts make the whole");
  }
}

}  // namespace closewatch::fuzz
