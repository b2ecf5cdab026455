# SPDX-License-Identifier: Apache-2.0
"""What runs on the cluster: more than 100 pods of every kind of owner, each with sockets that are known beforehand."""

import collections
import dataclasses
import json
import os

from kube import (STATIC_PODS, apply, count_states, cron_job_version, is_running, kubectl, pods,
                  wait_for, OWNERLESS)

IMAGE = "closewatch.test/holder:1"
NAMESPACES = ("bank", "shop")
LABEL = "closewatch.test/workload"


@dataclasses.dataclass(frozen=True)
class Sockets:
    """What one container holds; see holder.c."""

    listen: int = 0
    established: int = 0
    close_wait: int = 0
    unread: int = 0
    unaccepted: int = 0

    def arguments(self):
        """As the holder wants them."""
        return [f"{name}={value}" for name, value in dataclasses.asdict(self).items()]

    def owes(self):
        """Which call the holder owes -> sockets in CLOSE_WAIT."""
        return {"close": self.close_wait, "read": self.unread, "accept": self.unaccepted}

    def states(self):
        """The states of its sockets, one for each."""
        half_closed = self.close_wait + self.unread + self.unaccepted
        listeners = self.listen + (1 if half_closed + self.established else 0)
        return (["listen"] * listeners + ["established"] * 2 * self.established
                + ["close_wait", "fin_wait2"] * half_closed)


@dataclasses.dataclass(frozen=True)
class Workload:
    """One owner and its pods. `kind` and `name` are what closewatch shall call it."""

    kind: str
    namespace: str
    name: str
    count: int
    containers: dict = dataclasses.field(hash=False)  # name -> Sockets
    host_network: bool = False

    @property
    def identity(self):
        """By which its pods are found, in a label."""
        return f"{self.kind or 'none'}-{self.name}".lower()

    def states(self):
        """State -> sockets of one of its pods."""
        return count_states((state for sockets in self.containers.values() for state in sockets.states()),
                            left_out=OWNERLESS if self.host_network else ())

    def close_wait(self):
        """(container, owes) -> sockets in CLOSE_WAIT of one of its pods, without zeros."""
        return {(container, owes): count for container, sockets in self.containers.items()
                for owes, count in sockets.owes().items() if count}

    def leaks(self):
        """Whether anything is in CLOSE_WAIT."""
        return bool(self.close_wait())

    def pod_spec(self):
        """What all its pods are like."""
        return {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "hostNetwork": self.host_network,
            "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": name,
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "args": [*sockets.arguments(), "ready=/ready"],
                # Running only when its sockets are made, without a probe that makes others.
                "lifecycle": {"postStart": {"exec": {"command": ["/holder", "wait", "/ready"]}}},
            } for name, sockets in self.containers.items()],
        }

    def metadata(self):
        """Of the owner and its pods."""
        return {"name": self.name, "namespace": self.namespace, "labels": {LABEL: self.identity}}

    def template(self, **spec):
        """For its pods."""
        return {"metadata": {"labels": {LABEL: self.identity}}, "spec": {**self.pod_spec(), **spec}}

    def objects(self):
        """What makes it, for the API server."""
        selector = {"matchLabels": {LABEL: self.identity}}
        scaled = {"replicas": self.count, "selector": selector, "template": self.template()}
        once = {"template": self.template(restartPolicy="Never")}
        match self.kind:
            case "Deployment":
                return [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self.metadata(), "spec": scaled}]
            case "StatefulSet":
                return [{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": self.metadata(),
                         "spec": {**scaled, "serviceName": self.name, "podManagementPolicy": "Parallel"}}]
            case "DaemonSet":
                return [{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": self.metadata(),
                         "spec": {"selector": selector, "template": self.template()}}]
            case "Job":
                return [{"apiVersion": "batch/v1", "kind": "Job", "metadata": self.metadata(), "spec": once}]
            case "CronJob":
                # It waits for a date that never comes; `start` makes its Job as its controller would.
                return [{"apiVersion": cron_job_version(), "kind": "CronJob", "metadata": self.metadata(),
                         "spec": {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": once}}}]
            case "":
                return [] if self.is_static() else [self.pod()]
        raise ValueError(self.kind)

    def pod(self):
        """The pod that nobody owns."""
        return {"apiVersion": "v1", "kind": "Pod", "metadata": self.metadata(), "spec": self.pod_spec()}

    def is_static(self):
        """Whether the kubelet has it from a file."""
        return self.name.startswith("static-")

    def start(self):
        """What no object does by itself."""
        if self.is_static():
            write_static_pod(self)
        job = f"{self.name}-1606089600"
        if self.kind == "CronJob" and job not in kubectl("-n", self.namespace, "get", "jobs", "-o", "name"):
            kubectl("-n", self.namespace, "create", "job", f"--from=cronjob/{self.name}", job)


def write_static_pod(workload):
    """Gives the kubelet a pod; in one go, for it looks at the directory at any time."""
    hidden = STATIC_PODS / f".{workload.name}.yaml"
    hidden.write_text(json.dumps(workload.pod()))
    os.rename(hidden, STATIC_PODS / f"{workload.name}.yaml")


def remove_static_pod(workload):
    """Takes it away again."""
    (STATIC_PODS / f"{workload.name}.yaml").unlink(missing_ok=True)


WORKLOADS = (
    Workload("Deployment", "shop", "cart", 24, {"main": Sockets(listen=1, established=2, close_wait=3)}),
    Workload("Deployment", "shop", "checkout", 18, {"main": Sockets(established=1, close_wait=1, unread=4)}),
    Workload("Deployment", "shop", "search", 14, {"main": Sockets(listen=2, established=5, unaccepted=2)}),
    Workload("Deployment", "shop", "quiet", 12, {"main": Sockets()}),
    Workload("Deployment", "bank", "cart", 10, {"main": Sockets(close_wait=7)}),
    # Of two containers one leaks, and the other has the same kinds of sockets but no leak.
    Workload("Deployment", "bank", "ledger", 10, {"app": Sockets(listen=1, established=3),
                                                  "proxy": Sockets(established=1, close_wait=5, unread=1)}),
    # The same pod names in two namespaces.
    Workload("StatefulSet", "shop", "store", 4, {"main": Sockets(close_wait=2, established=1)}),
    Workload("StatefulSet", "bank", "store", 3, {"main": Sockets(close_wait=4)}),
    Workload("DaemonSet", "shop", "collector", 1, {"main": Sockets(listen=3, unread=2)}),
    Workload("DaemonSet", "bank", "edge", 1, {"main": Sockets(listen=1, established=1, close_wait=6)}, True),
    Workload("Deployment", "shop", "gateway", 3, {"main": Sockets(established=2, close_wait=1),
                                                  "side": Sockets(close_wait=2)}, True),
    Workload("Job", "bank", "import", 1, {"main": Sockets(close_wait=1, unread=1, unaccepted=1)}),
    Workload("CronJob", "shop", "nightly", 1, {"main": Sockets(close_wait=8)}),
    # The node owns a static pod's mirror, which is no workload; and a pod may have no owner at all.
    Workload("", "shop", "static-proxy", 1, {"main": Sockets(listen=2, close_wait=3)}),
    Workload("", "bank", "bare", 1, {"main": Sockets(close_wait=9, established=1)}),
)


def start(workloads=WORKLOADS):
    """Makes them all, but what an earlier run has left, and returns when they run."""
    apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES))
    # The API server refuses pods until a namespace has its service account.
    for name in NAMESPACES:
        wait_for(lambda name=name: "default" in kubectl("-n", name, "get", "serviceaccounts", "-o", "name"),
                 f"the service account of {name}")
    apply(*(made for workload in workloads for made in workload.objects()))
    for workload in workloads:
        workload.start()
    wait_for(lambda: all_run(workloads), "the pods")


def stop(workloads=WORKLOADS):
    """Takes them all away again, and returns when they have gone."""
    for workload in workloads:
        if workload.is_static():
            remove_static_pod(workload)
        else:
            kubectl("-n", workload.namespace, "delete", "--wait=false", workload.kind or "pod", workload.name)
    wait_for(lambda: not of_test(pods(), workloads), "the end of the pods")


def of_test(found, workloads=WORKLOADS):
    """The pods of these among others: Key -> (pod, workload)."""
    by_identity = {(workload.namespace, workload.identity): workload for workload in workloads}
    result = {}
    for key, pod in found.items():
        identity = pod["metadata"].get("labels", {}).get(LABEL)
        if workload := by_identity.get((key.namespace, identity)):
            result[key] = (pod, workload)
    return result


def all_run(workloads=WORKLOADS):
    """All pods when each workload has as many as it shall, all running."""
    found = of_test(pods(), workloads)
    numbers = collections.Counter((workload.namespace, workload.identity) for _, workload in found.values())
    expected = {(workload.namespace, workload.identity): workload.count for workload in workloads}
    return found if numbers == expected and all(is_running(pod) for pod, _ in found.values()) else None
