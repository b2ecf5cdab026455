// SPDX-License-Identifier: Apache-2.0
#include "pods/cgroup_path.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

#include "closewatch/kubernetes/object_name.h"

namespace closewatch::fuzz {
namespace {

void require_proper(const CgroupPosition& position) {
  require(position.pod_uid.empty() || is_object_name(position.pod_uid), "a uid is fit for a label");
  require(position.pod_uid.empty() || position.below_kubepods, "a pod is below kubepods");
  const auto& id = position.container_id;
  require(id.empty() || (id.size() == kContainerIdLength &&
                         id.find_first_not_of("0123456789abcdef") == std::string::npos),
          "a container's id is 64 hexadecimal digits");
}

/// The tree is walked directory by directory, a process' path is read as a whole.
void require_same_by_steps(std::string_view path) {
  CgroupPosition position;
  while (!path.empty()) {
    const auto name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    if (name.empty()) continue;
    const auto here = step_into(position, name);
    const bool settled =
        position.ignored || (!position.pod_uid.empty() && !position.container_id.empty());
    require(!settled || here == position, "all below a pod's container is that container's");
    position = here;
    require_proper(position);
  }
}

}  // namespace

/// The text of /proc/PID/cgroup, and each of its lines as a path.
void attempt(std::string_view input) {
  const auto container = container_of(input);
  require(container.empty() || input.find(container) != std::string_view::npos,
          "a container's id stands in the text");
  require(!lists_directory(input, ""), "no directory is without a name");
  for (auto rest = input; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    require_proper(locate(line));
    require_same_by_steps(line);
    CgroupPosition position;
    const auto last = line.substr(line.rfind('/') + 1);
    const bool has_path = line.find(":/") != std::string_view::npos;
    require(last.empty() || !has_path || lists_directory(input, last),
            "the last directory of a path is one of its directories");
  }
}

}  // namespace closewatch::fuzz
