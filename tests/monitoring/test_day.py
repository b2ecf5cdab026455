"""A day of a busy invented cluster: deploys, autoscaling, jobs, idle pools, churn, a node that is lost, an upgrade of the agent, and
three true leaks. Each leak is one alert, and there is no other above information.

DAY_PODS=200 makes it of 200 pods rather than 100; promtool refuses queries over those of many more.
"""

import os
import random
import unittest

from scenario import Scenario, ramp

MINUTES, STEP = 1440, 2
NODES = [f"node-{number}" for number in range(10)]
LOST, LOST_AT = "node-7", 700
UPGRADE = 300  # the first agent; one after the other, four minutes each


class Day:
    """All that happens, into a scenario."""

    def __init__(self, pods, seed=11):
        self.scenario = Scenario(MINUTES, step=STEP, files=("sockets", "services", "platform", "bursts", "alerts"))
        self.chance = random.Random(seed)
        self.workloads = pods // 10
        self._nodes()
        for number in range(self.workloads):
            self._workload(f"app-{number}", number)
        for number in range(144):
            begin = number * 10
            self._pod("job", f"job-{number}-x", [None] * begin + [0] * 5, "node-0", "CronJob", begin * 60)

    def _nodes(self):
        for number, node in enumerate(NODES):
            lost = [1 if node != LOST or minute < LOST_AT else 0 for minute in range(MINUTES + 1)]
            upgraded = UPGRADE + 4 * number
            for instance, values in (("old", [1] * upgraded + ["stale"]), ("new", [None] * (upgraded + 3) + lost[upgraded + 3:])):
                name = {"job": "closewatch", "node": node, "instance": f"{node}-{instance}"}
                self.scenario.series("up", name, self.scenario.minutely(values))
            self.scenario.series("kube_node_info", {"node": node, "os_image": "Debian"}, 1)
            self.scenario.series("kube_node_status_condition", {"node": node, "condition": "Ready", "status": "true"},
                                 self.scenario.minutely(lost))

    def _pod(self, workload, pod, stuck, node, kind="Deployment", started=-90000):
        """Seen by the agents that its node has; gone with the node."""
        upgraded = UPGRADE + 4 * NODES.index(node)
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
            return ramp(0, 3, life)
        if kind == "one leaks" and number == 0:
            return [minute % 180 // 3 for minute in range(life)]
        if kind == "pool":
            return [min(25, 2 * minute) for minute in range(life)]
        return [1 if (minute + 13 * number) % 60 < 4 else 0 for minute in range(life)]

    def _workload(self, name, number):
        kind = {0: "leak", 1: "slow leak", 2: "one leaks", 3: "pool", 4: "pool"}.get(number, "calm")
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
                node = NODES[(number + pod) % len(NODES)]
                self._pod(name, f"{name}-{life}-{pod}", [None] * first + self._sockets(kind, pod, last - first), node,
                          started=60 * first if first else -90000)
        failed = [0.01] * (MINUTES + 1)
        if kind == "calm" and number % 5 == 0:  # a burst that is nobody's leak
            failed[800:830] = [1.0] * 30
        self.scenario.calls(f"{name}.shop", [20] * (MINUTES + 1), failed)


class DayTest(unittest.TestCase):

    def test_three_leaks_are_three_alerts_and_nothing_else_is_above_information(self):
        asked = Day(int(os.environ.get("DAY_PODS", "100"))).scenario
        loud = 'ALERTS{alertstate="firing",severity!="info"}'
        asked.asks(f"sum by (alertname, workload, scope) (count_over_time(({loud} unless {loud} offset 2m)[1436m:2m]))", 1436, {
            'alertname="ClosewatchCloseWaitLeak",workload="app-0",scope="workload"': 1,
            'alertname="ClosewatchCloseWaitLeak",workload="app-1",scope="workload"': 1,
            'alertname="ClosewatchCloseWaitLeak",workload="app-2",scope="workload"': 1})
        asked.asks("sum by (class) (sum_over_time(service:closewatch_burst:attributed[1436m])) > 0", 1436,
                   {'class="neither"': sum(number % 5 == 0 for number in range(5, int(os.environ.get("DAY_PODS", "100")) // 10))})
        asked.run(self, "2m")


if __name__ == "__main__":
    unittest.main()
