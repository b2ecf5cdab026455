# SPDX-License-Identifier: Apache-2.0
"""An invented month of a small fleet, whose truth is known, as OpenMetrics and in a real Prometheus.

Four services are called through Envoy by the application `web`, which needs 23 calls for a page. Until it is mended half
way through the month `checkout` leaks connections: every 27.5 hours CLOSE_WAIT grows for two hours, calls fail for half
an hour, and a restart ends it. Other services fail for other reasons, and things happen that are no burst at all.

    python3 tests/monitoring/month.py DIRECTORY       builds it in DIRECTORY, and says how to look at it
"""

import collections
import dataclasses
import json
import pathlib
import random
import re
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests" / "system"))

from prometheus import Prometheus  # noqa: E402  pylint: disable=wrong-import-position

START = 1767571454  # in the first hour of 5 January 2026, UTC
# promtool evaluates rules a fraction of their interval late, by the hash of the file's name and the group's. With one name
# for all of them, rules that build upon each other are evaluated at the same moments. A scrape falls on each evaluation, so
# that no window is cut in the middle, and both are just before a whole second.
RULES_FILE, GROUP, LATE_BY = "layer.yaml", "month", -0.557
DAY = 86400
DAYS = 30
FIX = 15 * DAY
END = START + DAYS * DAY
SCRAPE = 150  # two scrapes meet every window of five minutes at both of its ends
STEPS = DAYS * DAY // SCRAPE
RULE_INTERVAL = 300
# What promtool writes has no marks where a series ends: what is older than an evaluation is over.
QUICK = ("--storage.tsdb.retention.time=100y", "--query.timeout=10m", "--query.lookback-delta=299s")

CALLS = {"checkout": 1200, "search": 1500, "user": 1000, "stock": 1000}  # a second
CALLS_PER_PAGE = 23
FAILING = 0.0005  # of all calls, always
LEAK_EXCESS = 4700 * 0.0145  # failed calls a second, while it bursts
LEAK_SECONDS = 1800
GROWS_SECONDS = 7200
LEAK_TOP = (240, 120)  # sockets of either pod

# What the rules are told for this month, which is scraped and evaluated more seldom.
SETTINGS = {"rules": {"interval": "5m", "detailInterval": "5m", "slowInterval": "5m", "hold": "6m"}}

Burst = collections.namedtuple("Burst", "service start seconds excess cause")


def leak_bursts():
    for number in range(12):
        cause = "both" if number in (4, 9) else "leak"
        yield Burst("checkout", DAY + number * 99000, LEAK_SECONDS, LEAK_EXCESS, cause)


BURSTS = (
    *leak_bursts(),
    *(Burst("user", int(day * DAY), 600, 30, "rollout") for day in (3.25, 8.75, 18.25, 24.5)),
    *(Burst(service, int(day * DAY), 900, 40, "neither")
      for service, day in (("stock", 5.5), ("search", 11.25), ("stock", 20.5), ("search", 27))),
)
# A rollout that breaks nothing, and a leak that is found before anything fails.
QUIET_ROLLOUT = ("stock", 12 * DAY)
QUIET_LEAK = ("search", 9 * DAY, 60)
AGENT_AWAY = (13 * DAY, 13 * DAY + 1800)  # of node b


@dataclasses.dataclass
class Pod:
    """Its life in seconds since the start, and its sockets and restarts step by step."""
    workload: str
    name: str
    node: str
    born: int
    ends: int
    close_wait: list
    restarts: list

    def steps(self):
        """Those in which it lives and its agent is scraped."""
        first, last = max(0, -(-self.born // SCRAPE)), min(STEPS, self.ends // SCRAPE)
        away = range(AGENT_AWAY[0] // SCRAPE, AGENT_AWAY[1] // SCRAPE) if self.node == "b" else range(0)
        return [step for step in range(first, last) if step not in away]


def pods():
    found = []
    for workload in CALLS:
        rollouts = [burst.start - 300 for burst in BURSTS if burst.service == workload and burst.cause == "rollout"]
        rollouts += [QUIET_ROLLOUT[1]] if workload == QUIET_ROLLOUT[0] else []
        lives = [-DAY, *sorted(rollouts), DAYS * DAY + SCRAPE]
        for life, (born, ends) in enumerate(zip(lives, lives[1:])):
            for number in range(2):
                found.append(Pod(workload, f"{workload}-{life}-{number}", "ab"[number], born, ends,
                                 [0] * STEPS, [0] * STEPS))
    return found


def leak(pod, start, seconds, top, until):
    """Grows to the top within these seconds, stays there, and is gone at `until` by a restart."""
    for step in range(start // SCRAPE, until // SCRAPE):
        pod.close_wait[step] = round(top * min(1, (step * SCRAPE - start) / seconds))
    for step in range(until // SCRAPE, STEPS):
        pod.restarts[step] += 1


def fleet():
    """All pods with what happened to them."""
    found = pods()
    checkout = [pod for pod in found if pod.workload == "checkout"]
    for burst in leak_bursts():
        for pod, top in zip(checkout, LEAK_TOP):
            early = burst.cause == "both" and pod is checkout[1]
            leak(pod, burst.start - GROWS_SECONDS, GROWS_SECONDS, top,
                 burst.start - 300 if early else burst.start + burst.seconds)
    workload, start, top = QUIET_LEAK
    leak(next(pod for pod in found if pod.workload == workload), start, GROWS_SECONDS, top, start + 2 * GROWS_SECONDS)
    chance = random.Random(1)
    for pod in found:  # what every healthy pod has for a moment
        for step in range(STEPS):
            if pod.close_wait[step] == 0 and chance.random() < 0.2:
                pod.close_wait[step] = -chance.randint(1, 2)  # negative: not stuck
    return found


class Exposition:
    """OpenMetrics, series by series."""

    def __init__(self, file):
        self._file = file
        self._times = [str(START + step * SCRAPE + LATE_BY) for step in range(STEPS)]

    def series(self, name, labels, values, steps=range(STEPS)):
        head = name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "} "
        times = self._times
        self._file.write("".join([f"{head}{values[step]:.12g} {times[step]}\n" for step in steps]))

    def constant(self, name, labels, value, steps=range(STEPS)):
        self.series(name, labels, [value] * STEPS, steps)

    def counter(self, name, labels, rates, steps=range(STEPS)):
        """From what happens in a second, step by step; at the step it is what has happened until then."""
        total, values = 0.0, []
        for rate in rates:
            values.append(total)
            total += rate * SCRAPE
        self.series(name, labels, values, steps)


def spread(burst):
    return range(burst.start // SCRAPE, (burst.start + burst.seconds) // SCRAPE)


def proxies(close_wait, bursts):
    """How the three proxies of a service follow its CLOSE_WAIT, a second and step by step.

    Resets follow it after ten minutes, the share of remote closes weakly and all bursts, connect failures not at all.
    """
    chance = random.Random(2)
    late = 600 // SCRAPE
    resets = [0.02 * close_wait[max(0, step - late)] + chance.uniform(0, 0.3) for step in range(STEPS)]
    share = [0.05 + 0.0004 * close_wait[step] + chance.uniform(0, 0.2) for step in range(STEPS)]
    for burst in bursts:
        for step in spread(burst):
            share[step] = 0.6
    failures = [chance.uniform(0, 1) for _ in range(STEPS)]
    return {"stream_resets": resets, "remote_closes_with_active_requests": share, "connect_failures": failures}


def before_and_after(before, after):
    return [before if step < FIX // SCRAPE else after for step in range(STEPS)]


RETRIES = 8
RETRY_SUCCESS = (0.00004, 0.9)
IDLE_TIMEOUTS, MAX_REQUESTS = 2, 3  # a second, after the fix
# Calls by the milliseconds that they take at most, before and after.
LATENCIES = {"500": (0.97, 0.98), "1000": (0.985, 0.995), "2000": (0.995, 1.0), "+Inf": (1.0, 1.0)}
P99 = (1500.0, 500 + 500 * (0.99 - 0.98) / (0.995 - 0.98))


# A second or at the moment, before and after the fix.
CONNECT_TIMEOUTS, CLOSE_NOTIFICATIONS = (0.2, 0.01), (3, 1)
UNDER_WAY, WAITING = (40, 30), (6, 0)
CUT_OFF = (0.05, 0.001)
INGRESS_FAILED = (0.02, 0.005)  # of 50 requests a second, by which the latencies are those of LATENCIES, in seconds
EVENTS = {"listen_drops": (0.3, 0.02), "retransmission_timeouts": (0.2, 0.01), "resets_sent": (0.5, 0.1)}  # of each pod


class Month:
    """The truth, and what was written of it."""

    def __init__(self):
        self.pods = fleet()
        self.close_wait = {service: [sum(abs(pod.close_wait[step]) for pod in self.pods
                                         if pod.workload == service and pod.born <= step * SCRAPE < pod.ends)
                                     for step in range(STEPS)] for service in CALLS}
        self.proxies = {service: proxies(self.close_wait[service], [one for one in BURSTS if one.service == service])
                        for service in CALLS}

    def restarts(self, workload, begin, end):
        """In the half-open time from `begin` to `end`, both in seconds since the start."""
        return sum(pod.restarts[end // SCRAPE - 1] - (pod.restarts[begin // SCRAPE - 1] if begin else 0)
                   for pod in self.pods if pod.workload == workload)

    def write(self, path):
        with open(path, "w", encoding="ascii") as file:
            to = Exposition(file)
            self._write_pods(to)
            for service in CALLS:
                self._write_service(to, service)
            to.counter("envoy_http_downstream_rq_completed", {"app": "web", "envoy_http_conn_manager_prefix": "ingress_http"},
                       [sum(CALLS.values()) / CALLS_PER_PAGE] * STEPS)
            to.counter("envoy_http_downstream_cx_destroy_local_active_rq",
                       {"app": "web", "envoy_http_conn_manager_prefix": "ingress_http"}, before_and_after(*CUT_OFF))
            self._write_ingress(to)
            for node in "ab":
                self._write_node(to, node)
            file.write("# EOF\n")

    def _write_pods(self, to):
        for pod in self.pods:
            seen = pod.steps()
            name = {"namespace": "shop", "pod": pod.name}
            agent = {"job": "closewatch", "node": pod.node, "instance": f"{pod.node}:10088"}
            app = name | {"container": "app"}
            stuck = [max(0, min(pod.close_wait[step], pod.close_wait[step - 1] if step else 0)) for step in range(STEPS)]
            sockets = [abs(count) for count in pod.close_wait]
            since = 0
            oldest = []
            for step in range(STEPS):
                since = since + SCRAPE if stuck[step] else 0
                oldest.append(since)
            to.constant("closewatch_pod_info", agent | name | {
                "uid": f"uid-{pod.name}", "workload_kind": "Deployment", "workload": pod.workload,
                "host_network": "false"}, 1, seen)
            to.constant("closewatch_pod_visible", agent | name | {"reason": ""}, 1, seen)
            to.series("closewatch_close_wait_sockets", agent | app | {"direction": "outbound", "owes": "close"},
                      [count if stuck[step] else 0 for step, count in enumerate(sockets)], seen)
            to.series("closewatch_close_wait_sockets", agent | app | {"direction": "outbound", "owes": "read"},
                      [0 if stuck[step] else count for step, count in enumerate(sockets)], seen)
            to.series("closewatch_pod_sockets", agent | name | {"state": "close_wait"}, sockets, seen)
            to.constant("closewatch_pod_sockets", agent | name | {"state": "established"}, 40, seen)
            to.series("closewatch_close_wait_stuck_sockets", agent | app, stuck, seen)
            to.constant("closewatch_closed_held_sockets", agent | app, 0, seen)
            to.series("closewatch_close_wait_oldest_seconds", agent | name, oldest, seen)
            to.series("closewatch_close_wait_peer_sockets",
                      agent | name | {"direction": "outbound", "peer": "10.0.9.1:443"}, stuck,
                      [step for step in seen if stuck[step]])
            to.constant("closewatch_listen_backlog_sockets", agent | name | {"port": "8080"}, 1, seen)
            to.constant("closewatch_listen_backlog_limit", agent | name | {"port": "8080"}, 128, seen)
            for event, rates in EVENTS.items():
                to.counter("closewatch_pod_tcp_events_total", agent | name | {"event": event}, before_and_after(*rates), seen)
            alive = [step for step in range(STEPS) if pod.born <= step * SCRAPE < pod.ends]
            to.constant("kube_pod_start_time", name, START + pod.born, alive)
            to.series("kube_pod_container_status_restarts_total", app, pod.restarts, alive)

    def _write_service(self, to, service):
        labels = {"app": "web", "envoy_cluster_name": f"{service}.shop"}
        calls = CALLS[service]
        failed = [calls * FAILING] * STEPS
        for burst in BURSTS:
            if burst.service == service:
                for step in spread(burst):
                    failed[step] += burst.excess
        prefix = "envoy_cluster_upstream_"
        to.counter(prefix + "rq_xx", labels | {"envoy_response_code_class": "5"}, failed)
        to.counter(prefix + "rq_xx", labels | {"envoy_response_code_class": "2"}, [calls - one for one in failed])
        follow = self.proxies[service]
        to.counter(prefix + "rq_rx_reset", labels, follow["stream_resets"])
        to.counter(prefix + "cx_destroy_remote", labels, [5] * STEPS)
        to.counter(prefix + "cx_destroy_remote_with_active_rq", labels,
                   [5 * share for share in follow["remote_closes_with_active_requests"]])
        to.counter(prefix + "cx_connect_fail", labels, follow["connect_failures"])
        to.counter(prefix + "rq_retry", labels, [RETRIES] * STEPS)
        to.counter(prefix + "rq_retry_success", labels, before_and_after(*(RETRIES * one for one in RETRY_SUCCESS)))
        to.counter(prefix + "cx_idle_timeout", labels, before_and_after(0, IDLE_TIMEOUTS))
        to.counter(prefix + "cx_max_requests", labels, before_and_after(0, MAX_REQUESTS))
        to.counter(prefix + "cx_connect_timeout", labels, before_and_after(*CONNECT_TIMEOUTS))
        to.counter(prefix + "cx_close_notify", labels, before_and_after(*CLOSE_NOTIFICATIONS))
        to.series(prefix + "rq_active", labels, before_and_after(*UNDER_WAY))
        to.series(prefix + "rq_pending_active", labels, before_and_after(*WAITING))
        for metric in ("cx_overflow", "cx_pool_overflow", "rq_pending_overflow", "cx_none_healthy"):
            to.constant(prefix + metric, labels, 0)
        for bound, shares in LATENCIES.items():
            to.counter(prefix + "rq_time_bucket", labels | {"le": bound}, before_and_after(*(calls * one for one in shares)))

    @staticmethod
    def _write_ingress(to):
        labels = {"namespace": "shop", "ingress": "web", "service": "web"}
        for status, shares in {"200": [1 - one for one in INGRESS_FAILED], "502": INGRESS_FAILED}.items():
            to.counter("nginx_ingress_controller_requests", labels | {"status": status}, before_and_after(*(50 * one for one in shares)))
        for bound, shares in LATENCIES.items():
            le = bound if bound == "+Inf" else f"{int(bound) / 1000:g}"
            to.counter("nginx_ingress_controller_request_duration_seconds_bucket", labels | {"status": "200", "le": le},
                       before_and_after(*(50 * one for one in shares)))

    @staticmethod
    def _write_node(to, node):
        away = range(AGENT_AWAY[0] // SCRAPE, AGENT_AWAY[1] // SCRAPE) if node == "b" else range(0)
        seen = [step for step in range(STEPS) if step not in away]
        agent = {"job": "closewatch", "node": node, "instance": f"{node}:10088"}
        to.series("up", agent, [0 if step in away else 1 for step in range(STEPS)])
        to.constant("kube_node_info", {"node": node}, 1)
        to.constant("closewatch_scan_interval_seconds", agent, 10, seen)
        to.constant("closewatch_scan_duration_seconds", agent, 0.02, seen)
        to.series("closewatch_scan_timestamp_seconds", agent, [START + step * SCRAPE - 5 for step in range(STEPS)], seen)
        to.counter("closewatch_scan_cpu_seconds_total", agent, [0.002] * STEPS)
        to.counter("process_cpu_seconds_total", agent, [0.003] * STEPS)
        to.constant("process_resident_memory_bytes", agent, 9e6, seen)
        to.constant("closewatch_scan_errors_total", agent | {"stage": "sockets"}, 0, seen)
        to.constant("closewatch_build_info", agent | {"version": "0.1.0", "compiler": "g++"}, 1, seen)
        for kind, level in {"alloc": 900, "orphan": 4, "inuse": 40, "tw": 25, "mem_bytes": 4096 * 300}.items():
            to.constant(f"node_sockstat_TCP_{kind}", {"node": node, "instance": f"{node}:9100"}, level)
        to.counter("node_netstat_TcpExt_TCPTimeouts", {"instance": f"{node}:9100"}, [0.5] * STEPS)
        to.counter("node_netstat_TcpExt_ListenDrops", {"instance": f"{node}:9100"}, [0] * STEPS)


# --- into Prometheus -------------------------------------------------------------------------------------------------

def promtool(*arguments, cwd=None):
    done = subprocess.run(["promtool", *map(str, arguments)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"promtool {' '.join(map(str, arguments))}:\n{done.stdout}")


def recording_rules(directory):
    """The shipped rules with the month's settings: those that record."""
    (directory / "values.yaml").write_text(yaml.safe_dump({"prometheusRule": {"settings": SETTINGS}}))
    subprocess.run([ROOT / "scripts/rules", "-f", directory / "values.yaml", "-o", directory / "rules"], check=True)
    return [rule for path in sorted((directory / "rules").glob("*.yaml"))
            for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"] if "record" in rule]


def layers(rules):
    """Lists of rules, each of which needs only what those before it have recorded: promtool backfills no other."""
    names = {rule["record"] for rule in rules}
    needs = {name: set() for name in names}
    for rule in rules:
        needs[rule["record"]] |= {word for word in re.findall(r"[\w]+:[\w:]+", rule["expr"]) if word in names}
    left, done = list(rules), set()
    while left:
        ready = {name for name in names - done if needs[name] <= done | {name}}
        # A series that reads its own past reads nothing here. What is quiet depends on what is a burst, which depends on what
        # has been quiet: made first, it is all of the time, of which these bursts are a small part.
        ready = ready or {name for name in names - done if name.endswith("closewatch_burst:quiet")}
        assert ready, f"rules that need each other: {sorted(names - done)}"
        yield [rule for rule in left if rule["record"] in ready]
        done |= ready
        left = [rule for rule in left if rule["record"] not in done]


# These look back over days, and are asked for at the fix and at the end: an hour of them is enough.
LATE = re.compile(r":increase30d$|burst_attribution:|proxy(_pair)?:(best_)?correlation")


def create_blocks(directory, *arguments):
    """What promtool makes of it joins the directory's data."""
    promtool("tsdb", "create-blocks-from", "--max-block-duration=720h", *arguments, cwd=directory)
    for block in (directory / "new").glob("*/meta.json"):
        block.parent.rename(directory / "data" / block.parent.name)


def ingest(directory, name):
    """The samples of directory/name, which is OpenMetrics and gone then, join the directory's data."""
    (directory / "data").mkdir(exist_ok=True)
    create_blocks(directory, "openmetrics", "-q", name, "new")
    (directory / name).unlink()


def backfill(directory, rules, begin, last, interval=RULE_INTERVAL, flags=QUICK):
    """What the rules record joins the directory's data, evaluated from `begin` to `last`."""
    (directory / RULES_FILE).write_text(json.dumps({"groups": [{"name": GROUP, "interval": f"{interval}s", "rules": rules}]}))
    with Prometheus("{}", *flags, directory=directory) as prometheus:
        create_blocks(directory, "rules", "-q", f"--start={begin}", f"--end={last}", f"--url={prometheus.url}",
                      "--output-dir=new", RULES_FILE)


def build(directory):
    """Writes the month, and all that the rules make of it, into directory/data for a Prometheus."""
    month = Month()
    month.write(directory / "month.txt")
    ingest(directory, "month.txt")
    for layer in layers(recording_rules(directory)):
        always = [rule for rule in layer if not LATE.search(rule["record"])]
        late = [rule for rule in layer if LATE.search(rule["record"])]
        for begin, end, rules in ((START, END, always), (START + FIX - 3600, START + FIX, late), (END - 3600, END, late)):
            if rules:
                backfill(directory, rules, begin, end - SCRAPE)
    return month


if __name__ == "__main__":
    TO = pathlib.Path(sys.argv[1])
    TO.mkdir(parents=True)
    build(TO)
    print(f"prometheus --storage.tsdb.path={TO / 'data'} {' '.join(QUICK)} --config.file=/dev/null")
