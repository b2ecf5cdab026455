# SPDX-License-Identifier: Apache-2.0
"""What the agents of a large cluster would tell Prometheus, without the cluster: invented numbers in the agent's form.

A Fleet writes the exposition of any of its agents at any scrape. A fiftieth of its pods leaks. Names, types and help come
from docs/metrics.md, labels and their order from the golden file of the agent's own tests, which test_scale.py compares.
"""

import dataclasses
import hashlib
import pathlib
import random
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
STATES = ("established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack",
          "listen", "closing")
OWED = (("inbound", "accept"), ("inbound", "read"), ("inbound", "close"), ("outbound", "read"), ("outbound", "close"))
SCRAPE_SECONDS = 15
# What an agent tells by default.
EVENTS = ("listen_overflows", "listen_drops", "retransmission_timeouts", "failed_attempts", "established_resets", "resets_sent")
# Scrapes after which the numbers begin anew, counters included, as after an agent's restart.
CYCLE = 64


@dataclasses.dataclass(frozen=True)
class Shape:
    """How a node looks. The defaults are those of the plan in docs/scale.md."""

    pods: int = 30
    containers: int = 2
    ports: int = 2
    leaking_share: float = 0.02

    def series_of_pod(self):
        """Of a healthy one: states, events, sums and stuck by container, nine of its own, two for each port."""
        return len(STATES) + len(EVENTS) + self.containers * (len(OWED) + 4) + 9 + 2 * self.ports

    def series_of_agent(self):
        """What does not grow with the pods."""
        return len(STATES) + 34


def documented():
    """name: (type, help), as the agent has them."""
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    return {name: (kind, said) for name, kind, said
            in re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]* \| (.*) \|$", page, re.M)}


def labelled(name, **labels):
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name


class Pod:
    """One pod's numbers, a walk of its own through a cycle of scrapes."""

    def __init__(self, shape, number, dice):
        workload = f"service-{dice.randrange(400)}"
        self.who = {"namespace": f"team-{dice.randrange(60)}",
                    "pod": f"{workload}-{dice.randrange(16**9):09x}-@{number:02d}"}
        self.info = {"uid": f"{dice.randrange(16**8):08x}-0000-4000-8000-@{number:07d}", "workload_kind": "Deployment",
                     "workload": workload, "host_network": "false"}
        self.shape = shape
        self.leaks = dice.random() < shape.leaking_share
        self.busy = dice.choice((0, 3, 20, 60))
        self.entered = self.left = self.held = 0

    def step(self, dice):
        came = dice.randrange(1 + self.busy // 3)
        went = dice.randrange(came + 1) if self.leaks else min(self.held + came, dice.randrange(came + 2))
        self.entered, self.left, self.held = self.entered + came, self.left + went, self.held + came - went

    def states(self, dice):
        level = {"established": self.busy, "time_wait": self.busy // 2, "fin_wait2": self.busy // 8}
        moving = {state: dice.randrange(1 + around) + around // 2 for state, around in level.items()}
        return {**dict.fromkeys(STATES, 0), **moving, "close_wait": self.held, "listen": self.shape.ports}

    def samples(self, dice):
        self.step(dice)
        stuck = self.held if self.leaks else 0
        for state, value in self.states(dice).items():
            yield "closewatch_pod_sockets", {**self.who, "state": state}, value
        for container in range(self.shape.containers):
            mine = {**self.who, "container": f"container-{container}"}
            for direction, owes in OWED:
                value = self.held if container == 0 and (direction, owes) == ("outbound", "close") else 0
                yield ("closewatch_close_wait_sockets", {**mine, "direction": direction, "owes": owes}, value)
            yield "closewatch_close_wait_stuck_sockets", mine, stuck if container == 0 else 0
            yield "closewatch_closed_held_sockets", mine, 0
            yield "closewatch_descriptors_open", mine, 20 + self.busy + (self.held if container == 0 else 0)
            yield "closewatch_descriptors_limit", mine, 1048576
        for event in EVENTS:
            yield "closewatch_pod_tcp_events_total", {**self.who, "event": event}, self.left if event == "resets_sent" else 0
        yield "closewatch_close_wait_oldest_seconds", self.who, self.entered * SCRAPE_SECONDS if stuck else 0
        yield "closewatch_close_wait_unread_bytes", self.who, 0
        yield "closewatch_close_wait_entered_total", self.who, self.entered
        yield "closewatch_close_wait_left_total", self.who, self.left
        yield "closewatch_close_wait_left_closed_total", self.who, self.left
        yield "closewatch_close_wait_left_held_total", self.who, 0
        yield "closewatch_closed_held_entered_total", self.who, 0
        if stuck:
            yield "closewatch_close_wait_peer_sockets", {**self.who, "direction": "outbound", "peer": "10.0.0.9:443"}, stuck
        yield "closewatch_pod_visible", {**self.who, "reason": ""}, 1
        yield "closewatch_pod_info", {**self.who, **self.info}, 1
        for port in range(self.shape.ports):
            yield "closewatch_listen_backlog_sockets", {**self.who, "port": 8080 + port}, 0
            yield "closewatch_listen_backlog_limit", {**self.who, "port": 8080 + port}, 4096


def agent_samples(tick, dice):
    yield "closewatch_unnamed_pods", {}, 0
    for state in STATES:
        yield "closewatch_node_sockets", {"state": state}, dice.randrange(40) if state == "established" else 0
    yield "closewatch_scan_duration_seconds", {}, round(0.02 + dice.random() / 100, 6)
    yield "closewatch_scan_cpu_seconds_total", {}, round(tick * 0.03 + dice.random() / 100, 6)
    yield "closewatch_scan_interval_seconds", {}, 10
    yield "closewatch_scan_over_budget", {}, 0
    yield "closewatch_scan_timestamp_seconds", {}, 1700000000 + tick * SCRAPE_SECONDS
    for stage in ("discovery", "metadata", "namespace", "sockets", "decode"):
        yield "closewatch_scan_errors_total", {"stage": stage}, 0
    yield "closewatch_hung_reads", {}, 0
    for feature in ("cgroup_id", "tcp_info", "netns_cookie", "metadata_api", "socket_inode", "held_sockets"):
        yield "closewatch_feature_enabled", {"feature": feature}, 1
    for engine, reason in (("inet_diag", ""), ("bpf", "not_needed"), ("procfs", "not_needed")):
        yield "closewatch_engine_in_use", {"engine": engine, "reason": reason}, 0 if reason else 1
    for result in ("agree", "disagree", "undecided"):
        yield "closewatch_engine_checks_total", {"result": result}, 0
    for means in ("capabilities", "system_calls", "files"):
        yield "closewatch_confined", {"means": means}, 1
    yield "closewatch_build_info", {"version": "0.1.0", "compiler": "GNU 12"}, 1
    yield "process_cpu_seconds_total", {}, round(tick * 0.04 + dice.random() / 100, 6)
    yield "process_open_fds", {}, 12
    yield "process_max_fds", {}, 1048576
    yield "process_virtual_memory_bytes", {}, 108003328
    yield "process_resident_memory_bytes", {}, 12000000 + 4096 * dice.randrange(200)
    yield "process_start_time_seconds", {}, 1700000000


class Fleet:
    """The agents of as many nodes as one asks for, alike but for their pods' names and the phase of their numbers."""

    def __init__(self, shape=Shape(), seed=7):
        dice = random.Random(seed)
        pods = [Pod(shape, number, dice) for number in range(shape.pods)]
        self._cycle = [self._samples(tick, pods, dice) for tick in range(CYCLE)]
        self._texts = [self._text(samples).encode() for samples in self._cycle]

    @staticmethod
    def _samples(tick, pods, dice):
        by_name = {name: [] for name in documented()}
        for pod in pods:
            for name, labels, value in pod.samples(dice):
                by_name[name].append((labelled(name, **labels), value))
        for name, labels, value in agent_samples(tick, dice):
            by_name[name].append((labelled(name, **labels), value))
        return by_name

    @staticmethod
    def _text(samples):
        lines = []
        for name, (kind, said) in documented().items():
            if samples[name]:
                lines += [f"# HELP {name} {said}", f"# TYPE {name} {kind}"]
                lines += [f"{series} {value}" for series, value in samples[name]]
        return "\n".join(lines) + "\n"

    @staticmethod
    def _name(agent):
        return hashlib.sha256(str(agent).encode()).hexdigest()[:5]

    def exposition(self, agent, tick):
        """Bytes, as the agent's /metrics."""
        return self._texts[(tick + agent * 5) % CYCLE].replace(b"@", self._name(agent).encode())

    def openmetrics(self, agent, ticks, end):
        """All scrapes of one agent up to a Unix time, series by series, for `promtool tsdb create-blocks-from`."""
        first = end - ticks * SCRAPE_SECONDS
        kinds = documented()
        for name, (kind, _) in kinds.items():
            yield f"# TYPE {name.removesuffix('_total') if kind == 'counter' else name} {kind}\n"
            for number in range(max(len(samples[name]) for samples in self._cycle)):
                for tick in range(ticks):
                    found = self._cycle[(tick + agent * 5) % CYCLE][name]
                    if number < len(found):
                        series, value = found[number]
                        yield f"{series.replace('@', self._name(agent))} {value} {first + tick * SCRAPE_SECONDS}\n"
        yield "# EOF\n"
