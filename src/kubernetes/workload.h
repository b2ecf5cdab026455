// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace closewatch {

/// What somebody deployed, as `kubectl get` would name it. Both empty when not known.
struct Workload {
  std::string kind;  ///< "Deployment", "StatefulSet", "CronJob" …
  std::string name;

  bool operator==(const Workload&) const = default;
};

/// The workload behind a pod's controller (the owner reference with `controller: true`), as far as
/// the pod alone tells it. Pure.
///
/// A ReplicaSet "cart-5d9c" is a Deployment's "cart" only when the pod's label pod-template-hash is
/// "5d9c": the Deployment's controller sets both (pkg/controller/deployment/sync.go); others that
/// own ReplicaSets do not. A Job is a CronJob's when its name ends as the CronJob's controller
/// names it: "-" and the scheduled time as Unix minutes, before Kubernetes 1.21 seconds
/// (pkg/controller/cronjob/utils.go). The node that owns a static pod's mirror is no workload.
Workload workload_of(std::string_view controller_kind, std::string_view controller_name,
                     std::string_view pod_template_hash);

}  // namespace closewatch
