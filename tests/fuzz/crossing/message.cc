// SPDX-License-Identifier: Apache-2.0
#include "crossing/message.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

#include "closewatch/kubernetes/object_name.h"

namespace closewatch::fuzz {

/// What a process that was taken over may send: the first byte is the kind.
void attempt(std::string_view input) {
  using namespace crossing;
  if (take_byte(input) % 2 == 0) {
    const auto names = unpack_names(input);
    if (!names) return require(is_printable(names.error().what), "an error is fit for a log");
    require(names->pods.size() <= kMostPods, "there are no more pods than may be");
    require(std::all_of(names->pods.begin(), names->pods.end(),
                        [](const PodObject& pod) {
                          return is_object_name(pod.uid) && is_object_name(pod.metadata.name) &&
                                 is_object_name(pod.metadata.pod_namespace);
                        }),
            "names are such that Kubernetes allows");
    if (!names->state) require(is_printable(names->state.error().what), "why is fit for a log");
    require(unpack_names(pack(*names)).has_value(), "what was written can be read");
  } else {
    const auto question = unpack_who_holds(input);
    if (!question) return;
    require(question->inodes.size() <= kMostInodes, "nobody asks for more than may be");
    require(pack(*question) == input, "reading and writing are the same");
  }
}

}  // namespace closewatch::fuzz
