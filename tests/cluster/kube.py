# SPDX-License-Identifier: Apache-2.0
"""The cluster as the tests see it: kubectl, Helm, what a pod's own `ss` counts, and patience.

Everything here runs on the node, which `cluster enter` leads to.
"""

import collections
import functools
import http.client
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STATE = pathlib.Path(os.environ.get("CLOSEWATCH_CLUSTER", "/var/tmp/closewatch-cluster"))
DEADLINE_SECONDS = 180
POLL_SECONDS = 0.2
NODE = "node-1"
STATIC_PODS = STATE / "static"

# How `ss` spells the kernel's states.
STATES = {
    "ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_recv",
    "FIN-WAIT-1": "fin_wait1", "FIN-WAIT-2": "fin_wait2", "TIME-WAIT": "time_wait",
    "UNCONN": "close", "CLOSE-WAIT": "close_wait", "LAST-ACK": "last_ack",
    "LISTEN": "listen", "CLOSING": "closing",
}
# Nobody can tell whose these are when many share the host's network namespace.
OWNERLESS = ("syn_recv", "fin_wait2", "time_wait")

Key = collections.namedtuple("Key", "namespace pod")


def wait_for(condition, what, seconds=DEADLINE_SECONDS):
    """Returns the first true value of `condition()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def run(*command, text=None, environment=None, seconds=DEADLINE_SECONDS):
    """Runs a program to its end and returns what it printed."""
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True,
                          text=True, timeout=seconds, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def kubectl(*arguments, text=None):
    """kubectl as the cluster's administrator."""
    return run("kubectl", *arguments, text=text)


def kubectl_json(*arguments):
    """What kubectl says, as a document."""
    return json.loads(kubectl(*arguments, "-o", "json"))


@functools.cache
def version_of(group):
    """The best version of a group of the API, as policy has "v1" from Kubernetes 1.21 on and "v1beta1" before."""
    versions = {entry["version"] for entry in json.loads(kubectl("get", "--raw", f"/apis/{group}"))["versions"]}
    return "v1" if "v1" in versions else "v1beta1"


@functools.cache
def cron_job_version():
    """batch/v1 has them from Kubernetes 1.21 on; of the group it is the version that 1.20 names, too."""
    kinds = {entry["kind"] for entry in json.loads(kubectl("get", "--raw", "/apis/batch/v1"))["resources"]}
    return "batch/v1" if "CronJob" in kinds else "batch/v1beta1"


def listing(objects):
    """Objects as one document for kubectl."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def apply(*objects):
    """Gives objects to the API server."""
    kubectl("apply", "-f", "-", text=listing(objects))


def dry_run(*objects):
    """Lets the API server validate objects, and keeps none."""
    kubectl("apply", "--dry-run=server", "-f", "-", text=listing(objects))


def control(verb, name):
    """Starts or stops one of the cluster's programs."""
    run(HERE / "cluster", verb, name)


def api_is_ready():
    """Whether the API server takes requests."""
    return subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True,
                          check=False).returncode == 0


def compact_etcd():
    """Makes etcd forget all history: a watch from before it is answered with 410 Gone."""
    def post(path, document):
        connection = http.client.HTTPConnection("127.0.0.1", 2379, timeout=30)
        connection.request("POST", path, json.dumps(document))
        answer = connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise AssertionError(f"etcd says {answer.status}: {body}")
        return body
    revision = post("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    post("/v3/kv/compaction", {"revision": revision, "physical": True})


def requests_of_the_agent():
    """Verb and parameters of each request of the agent that the API server has begun to answer, oldest first."""
    events = [json.loads(line) for line in (STATE / "audit.log").read_text().splitlines(keepends=True)
              if line.endswith("\n")]
    return [(event["verb"], dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(event["requestURI"]).query)))
            for event in events]


def evict(namespace, name):
    """Asks for a pod's end as `kubectl drain` does."""
    run("kubectl", "create", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", "-f", "-",
        text=json.dumps({"apiVersion": f"policy/{version_of('policy')}", "kind": "Eviction",
                         "metadata": {"namespace": namespace, "name": name}}))


def is_running(pod):
    """Running with all its containers, and not on its way out."""
    statuses = pod["status"].get("containerStatuses", [])
    return ("deletionTimestamp" not in pod["metadata"] and bool(statuses)
            and all("running" in status["state"] and status.get("ready") for status in statuses))


def pods():
    """All pods of the cluster by namespace and name."""
    return {Key(pod["metadata"]["namespace"], pod["metadata"]["name"]): pod
            for pod in kubectl_json("get", "pods", "--all-namespaces")["items"]}


def container_pids():
    """Container id -> its first process, from containerd and not from where closewatch looks."""
    listed = run("ctr", "--address", STATE / "containerd.sock", "--namespace", "k8s.io", "tasks", "list")
    rows = [line.split() for line in listed.splitlines()[1:]]
    return {row[0]: int(row[1]) for row in rows if row[2] == "RUNNING"}


def containers_of(pod, pids):
    """Container name -> its first process, for one pod."""
    return {status["name"]: pids[status["containerID"].partition("://")[2]]
            for status in pod["status"]["containerStatuses"]}


def ss(pid):
    """The rows of `ss` in the network namespace of a process, and the processes that have each open.

    The processes are numbered as on the node, because only the network namespace is the pod's.
    """
    rows = []
    for line in run("nsenter", f"--net=/proc/{pid}/ns/net", "ss", "-tanpH").splitlines():
        rows.append((STATES[line.split()[0]], [int(pid) for pid in re.findall(r"pid=(\d+)", line)]))
    return rows


def count_states(states, left_out=()):
    """All states that closewatch gives, zeros included."""
    counts = {state: 0 for state in STATES.values() if state not in left_out}
    for state in states:
        if state in counts:
            counts[state] += 1
    return counts


def states_by_ss(pod, pids):
    """State -> sockets of a pod as `ss` counts them."""
    containers = containers_of(pod, pids)
    rows = ss(next(iter(containers.values())))
    if not pod["spec"].get("hostNetwork"):
        return count_states(state for state, _ in rows)
    own = set(containers.values())
    # What waits to be accepted has no process; it is its listener's, whose pod the test knows.
    return count_states((state for state, owners in rows if own & set(owners)), left_out=OWNERLESS)


_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse_metrics(text):
    """Family -> list of (labels, value); a series that is given twice is a mistake."""
    families = collections.defaultdict(list)
    seen = set()
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        if match is None:
            raise AssertionError(f"no sample of the text format: {line}")
        if (series := (match[1], match[2])) in seen:
            raise AssertionError(f"given twice: {line}")
        seen.add(series)
        families[match[1]].append((dict(_LABEL.findall(match[2] or "")), float(match[3])))
    return families


def by_pod(samples, label=None):
    """Key -> value, or with a label Key -> the label's value -> sum of the values."""
    if label is None:
        return {Key(labels["namespace"], labels["pod"]): value for labels, value in samples}
    found = collections.defaultdict(dict)
    for labels, value in samples:
        entry = found[Key(labels["namespace"], labels["pod"])]
        entry[labels[label]] = entry.get(labels[label], 0) + value
    return dict(found)


class Agent:
    """closewatch as its users install it: the Helm chart in a namespace of its own."""

    NAMESPACE = "closewatch"
    RELEASE = "closewatch"
    PORT = 10088
    HEALTH_PORT = 10089
    # Every second whatever that costs, and stuck soon, for the tests wait for both.
    CONFIG = {"scan": {"interval": "1s", "cpu_budget": 1}, "diagnosis": {"stuck_after": "5s"}}

    def __init__(self, chart=None):
        self._chart = chart or os.environ.get("CLOSEWATCH_CHART", ROOT / "helm" / "closewatch")
        self._directory = tempfile.TemporaryDirectory(prefix="closewatch-helm-")
        self._probe_port = self.PORT

    def install(self, **values):
        """`helm upgrade --install`, as often as wanted; returns when the agent has scanned."""
        image = os.environ["CLOSEWATCH_IMAGE"]
        repository, _, tag = image.rpartition(":")
        probe = {"periodSeconds": 1}
        values = {"image": {"repository": repository, "tag": tag, "digest": "", "pullPolicy": "Never"},
                  "config": self.CONFIG, "startupProbe": probe, "readinessProbe": probe, **values}
        self._probe_port = self.HEALTH_PORT if "web" in values else self.PORT
        path = pathlib.Path(self._directory.name) / "values.json"
        path.write_text(json.dumps(values))
        self.helm("upgrade", "--install", "--create-namespace", self.RELEASE, self._chart, "--values", path)
        self.wait_until_rolled_out()

    def helm(self, *arguments, helm="HELM"):
        """Helm in the agent's namespace; `helm` names the variable with its path."""
        home = self._directory.name
        return run(os.environ[helm], "--namespace", self.NAMESPACE, *arguments,
                   environment={"HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home})

    def close(self):
        """Removes what it wrote here; the cluster ends on its own."""
        self._directory.cleanup()

    def wait_until_rolled_out(self):
        """Until the one pod there is is of the present template and ready."""
        kubectl("-n", self.NAMESPACE, "rollout", "status", f"daemonset/{self.RELEASE}",
                f"--timeout={DEADLINE_SECONDS}s")
        wait_for(self.pod, "the agent's pod")
        wait_for(self._has_scanned, "the agent's first scan")

    def pod(self):
        """The agent's pod, once it is the only one and runs."""
        found = [pod for key, pod in pods().items() if key.namespace == self.NAMESPACE]
        return found[0] if len(found) == 1 and is_running(found[0]) else None

    def _has_scanned(self):
        try:
            return self._request("/readyz", self._probe_port)[0] == 200
        except OSError:
            return False

    def capabilities(self):
        """Those that its container was given."""
        return self.pod()["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]

    def get(self, path, headers=None):
        """Status and body of an answer of the agent's pod."""
        return self._request(path, self.PORT, headers)

    def _request(self, path, port, headers=None):
        connection = http.client.HTTPConnection(self.address(), port, timeout=30)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def address(self):
        """The pod's own; remembered, for the API server may be away."""
        if api_is_ready() and (pod := self.pod()):
            self._address = pod["status"]["podIP"]
        return self._address

    def metrics(self):
        """The metrics as they stand."""
        status, body = self.get("/metrics")
        if status != 200:
            raise AssertionError(f"the metrics have status {status}: {body}")
        return parse_metrics(body)

    def fresh_metrics(self):
        """The metrics of a scan that began after this call, read before they are stale: after three seconds, which a
        busy machine may need for a scrape."""
        called_at = time.time()

        def fresh():
            metrics = self.metrics()
            ended = metrics["closewatch_scan_timestamp_seconds"]
            took = metrics["closewatch_scan_duration_seconds"]
            stale = any(labels["reason"] == "stale" for labels, _ in metrics["closewatch_pod_visible"])
            return metrics if ended and ended[0][1] - took[0][1] >= called_at and not stale else None
        return wait_for(fresh, "the next scan")

    def log(self):
        """What the agent has logged since its start, by its own file: the API server may be away."""
        logs = sorted(pathlib.Path("/var/log/pods").glob(f"{self.NAMESPACE}_*/*/*.log"),
                      key=lambda path: path.stat().st_mtime)
        return "".join(line.split(" ", 3)[3] for line in logs[-1].read_text().splitlines(keepends=True))
