# SPDX-License-Identifier: Apache-2.0
"""A day of a busy invented cluster: deploys, autoscaling that flaps, jobs, idle pools and such with a daily wave, names that come
back on other nodes, churn, a node that is lost, an upgrade of the agent, and three true leaks.

    /usr/bin/python3 -B tests/monitoring/day.py [--pods 2000]      says which alerts fire in it, and when
"""

import argparse
import json
import math
import pathlib
import random
import sys
import tempfile
import urllib.parse

if __name__ == "__main__":
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import engines  # noqa: E402  pylint: disable=wrong-import-position
import month  # noqa: E402  pylint: disable=wrong-import-position
from prometheus import Prometheus  # noqa: E402  pylint: disable=wrong-import-position
from scenario import Scenario, ramp  # noqa: E402  pylint: disable=wrong-import-position

MINUTES, STEP = 1440, 2
LOST, LOST_AT = "node-7", 700
UPGRADE, UPGRADES = 300, 360  # the first agent; one after the other, until so much later


class Day:
    """All that happens, into a scenario."""

    def __init__(self, pods, seed=11):
        self.scenario = Scenario(MINUTES, step=STEP, files=("sockets", "services", "platform", "bursts", "alerts"))
        self.chance = random.Random(seed)
        self.workloads = pods // 10
        self.nodes = [f"node-{number}" for number in range(max(10, pods // 25))]
        self._nodes()
        for number in range(self.workloads):
            self._workload(f"app-{number}", number)
        for number in range(144):
            begin = number * 10
            self._pod("job", f"job-{number}-x", [None] * begin + [0] * 5, "node-0", "CronJob", begin * 60)

    def _nodes(self):
        for number, node in enumerate(self.nodes):
            lost = [1 if node != LOST or minute < LOST_AT else 0 for minute in range(MINUTES + 1)]
            upgraded = self._upgraded(node)
            for instance, values in (("old", [1] * upgraded + ["stale"]), ("new", [None] * (upgraded + 3) + lost[upgraded + 3:])):
                name = {"job": "closewatch", "node": node, "instance": f"{node}-{instance}"}
                self.scenario.series("up", name, self.scenario.minutely(values))
            self.scenario.series("kube_node_info", {"node": node, "os_image": "Debian"}, 1)
            self.scenario.series("kube_node_status_condition", {"node": node, "condition": "Ready", "status": "true"},
                                 self.scenario.minutely(lost))

    def _upgraded(self, node):
        return UPGRADE + self.nodes.index(node) * UPGRADES // len(self.nodes)

    def _pod(self, workload, pod, stuck, node, kind="Deployment", started=-90000):
        """Seen by the agents that its node has; gone with the node."""
        upgraded = self._upgraded(node)
        stuck = stuck[:LOST_AT] if node == LOST else stuck
        old, new = stuck[:upgraded], [None] * (upgraded + 3) + stuck[upgraded + 3:]
        for instance, values in (("old", old + ["stale"]), ("new", new[:MINUTES] + ["stale"])):
            if any(one is not None and one != "stale" for one in values):
                self.scenario.pod("shop", workload, pod, values[:MINUTES + 1], kind=kind, node=node, instance=instance)
        self.scenario.series("kube_pod_start_time", {"namespace": "shop", "pod": pod},
                             self.scenario.minutely([None if one is None else started for one in stuck] + ["stale"]))

    def _sockets(self, kind, number, life):
        """Minute by minute, of a pod that lives so long."""
        if kind == "leak":
            return ramp(0, 60, life)
        if kind == "slow leak":
            return ramp(0, 6, life)
        if kind == "one leaks" and number == 0:
            return [minute % 180 // 3 for minute in range(life)]
        if kind in ("pool", "stateful pool", "flapping pool"):
            return [min(25, 2 * minute) for minute in range(life)]
        if kind == "wave":
            return [round(20 - 15 * math.cos(2 * math.pi * minute / MINUTES)) for minute in range(life)]
        return [1 if (minute + 13 * number) % 60 < 4 else 0 for minute in range(life)]

    def _workload(self, name, number):
        kind = {0: "leak", 1: "slow leak", 2: "one leaks", 3: "pool", 4: "pool", 7: "wave", 8: "stateful pool",
                9: "flapping pool"}.get(number, "calm")
        deploys = sorted(self.chance.sample(range(60, MINUTES - 60), number % 3))
        if kind == "slow leak":
            deploys = []
        for life, (begin, end) in enumerate(zip([0, *deploys], [*deploys, MINUTES + 1])):
            for pod in range(10):
                first, last = begin + (pod if life else 0), min(MINUTES, end + pod + 1)
                if number % 7 == 6 and pod >= 5:  # scales out in the middle of the day
                    first, last = max(first, 500), min(last, 900)
                if first >= last:
                    continue
                node = self.nodes[(number + pod + (life if kind == "stateful pool" else 0)) % len(self.nodes)]
                self._pod(name, f"{name}-{pod}" if kind == "stateful pool" else f"{name}-{life}-{pod}",
                          [None] * first + self._sockets(kind, pod, last - first), node,
                          "StatefulSet" if kind == "stateful pool" else "Deployment", started=60 * first if first else -90000)
        if kind == "flapping pool":
            for life, begin in enumerate(range(400, 1000, 30)):
                for pod in range(15):
                    self._pod(name, f"{name}-0-{life}-{pod}", [None] * begin + self._sockets(kind, pod, 15),
                              self.nodes[(life + pod) % len(self.nodes)], started=60 * begin)
        failed = [0.01] * (MINUTES + 1)
        if kind == "calm" and number % 5 == 0:  # a burst that is nobody's leak
            failed[800:830] = [1.0] * 30
        self.scenario.calls(f"{name}.shop", [20] * (MINUTES + 1), failed)

    def leaks(self):
        """Of which an alert is due, each once."""
        return ["app-0", "app-1", "app-2"]

    def bursts(self):
        """How many there are, of services that nobody leaks behind."""
        return sum(number % 5 == 0 for number in range(5, self.workloads))


class Evaluated(Prometheus):
    """A day in a real Prometheus, which takes as many pods as one likes: its series, and what the rules record of them."""

    END = month.START + 60 * MINUTES

    def __init__(self, day, directory):
        engines.built(directory, day.scenario.told(month.START), month.START, self.END, 60 * STEP)
        super().__init__("{}", *engines.looking_back(60 * STEP), directory=directory)

    def spells(self):
        """{(alert, its labels): [(begins, ends) in minutes]} of those that fire, `for` included."""
        found = {}
        for rule in (rule for _, rule in engines.rules() if "alert" in rule):
            query = urllib.parse.urlencode({"query": rule["expr"], "start": month.START, "end": self.END, "step": 60 * STEP})
            due = engines.seconds(rule.get("for", "0s")) // 60
            for series in json.loads(self.read(f"/api/v1/query_range?{query}", timeout=600))["data"]["result"]:
                labels = {key: value for key, value in series["metric"].items() if key != "__name__"} | rule["labels"]
                for begins, ends in runs([round(at - month.START) // 60 for at, _ in series["values"]]):
                    if ends - begins >= due:
                        found.setdefault((rule["alert"], engines.named(labels)), []).append((begins + due, ends))
        return found


def runs(minutes):
    """(first, last) of each run of evaluations without a gap."""
    found = []
    for minute in minutes:
        if found and minute - found[-1][1] <= STEP:
            found[-1][1] = minute
        else:
            found.append([minute, minute])
    return [tuple(run) for run in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=2000)
    day = Day(parser.parse_args().pods)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory, Evaluated(day, pathlib.Path(directory)) as prometheus:
        print(f"{prometheus.value('sum(workload:closewatch_pods:count)', month.START + 600 * 60):,.0f} pods after ten hours, "
              f"{prometheus.value('count(group by (pod) (last_over_time(closewatch_pod_info[1d])))', Evaluated.END):,.0f} in the whole day, of "
              f"{day.workloads} workloads on {len(day.nodes)} nodes")
        for (name, named), spells in sorted(prometheus.spells().items(), key=lambda told: (dict(told[0][1])["severity"], told)):
            labels = dict(named)
            who = "/".join(labels[key] for key in ("namespace", "workload", "pod", "service", "node") if key in labels)
            print(f"{labels['severity']:8} {name} {who}: " + ", ".join(f"{clock(begins)} to {clock(ends)}" for begins, ends in spells))
        for labels, count in prometheus.query("sum by (class) (sum_over_time(service:closewatch_burst:attributed[1d])) > 0", Evaluated.END):
            print(f"bursts of {day.bursts()} judged {labels['class']}: {count:.0f}")


def clock(minute):
    return f"{minute // 60}:{minute % 60:02}"


if __name__ == "__main__":
    main()
