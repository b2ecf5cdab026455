# SPDX-License-Identifier: Apache-2.0
"""What panels say of clusters that live: their own expressions, of what the rules make of the pods."""

import unittest

from dashboards import annotation, asked, dashboards, drawn
from scenario import Scenario, ramp

FIX, FLEET, POD = "closewatch-fix", "closewatch-fleet", "closewatch-pod"
FILES = ("sockets", "services", "platform")


class PanelsTest(unittest.TestCase):

    HOURS = 3

    def restarts(self, scenario, pod, counts, exporters=("10.0.0.1:8080",)):
        for exporter in exporters:
            scenario.series("kube_pod_container_status_restarts_total",
                            {"namespace": "shop", "pod": pod, "container": "app", "instance": exporter}, counts)

    def test_restarts_are_counted_once_and_exactly(self):
        """Two kube-state-metrics; and a pod of a StatefulSet that is made anew, whose count begins anew."""
        scenario = Scenario(1500, files=FILES)
        both = ("10.0.0.1:8080", "10.0.0.2:8080")
        for pod, counts, wanted in (("once-0", [0] * 700 + [1] * 801, 1), ("anew-0", [3] * 700 + [0] * 801, 0),
                                    ("never-0", [0] * 1501, 0), ("often-0", [2] * 100 + [9] * 1401, 7)):
            scenario.pod("shop", "cart", pod, 0, kind="StatefulSet")
            self.restarts(scenario, pod, counts, both)
            scenario.asks(asked(POD, "Restarts today", namespace="shop", pod=pod), 1490, {"": wanted})
        scenario.run(self)

    def sawtooths(self):
        """Each of ten workloads gets to 59; all together never above 320."""
        scenario = Scenario(self.HOURS * 60, files=FILES)
        for number in range(10):
            scenario.pod("shop", f"app-{number}", f"app-{number}-0",
                         [(minute + 6 * number) % 60 for minute in range(self.HOURS * 60 + 1)])
        return scenario

    def test_the_most_of_a_sum_is_not_the_sum_of_the_most(self):
        scenario = self.sawtooths()
        for chosen in ({}, {"workload": "app-.*"}):
            windows = {"window": "1h", "before": "1h", "after": "1m"} | chosen
            for letter in "AB":
                for title in ("CLOSE_WAIT and stuck", "CLOSE_WAIT and held"):
                    scenario.asks(f"max_over_time(({asked(FIX, title, letter, **windows)})[1h:7m])", self.HOURS * 60, {"": 320})
                table = asked(FIX, "Before and after", letter, **windows)
                scenario.asks(f'sum by (measure) ({table}) and on (measure) '
                              'label_replace(vector(1), "measure", "Stuck and held, at worst", "", "")', self.HOURS * 60,
                              {'measure="Stuck and held, at worst"': 320})
        scenario.run(self)

    def test_what_is_held_is_not_mended(self):
        """Two leak for two hours; then one's peers reset the connections, and the descriptors are kept; the other is mended."""
        scenario = Scenario(5 * 60, files=FILES)
        leak = ramp(0, 60, 120)
        scenario.pod("shop", "reset", "reset-0", leak + [0] * 181, held=[0] * 120 + [119] * 181)
        scenario.pod("shop", "mended", "mended-0", leak + [0] * 181, held=[0] * 301)
        for workload, met in (("reset", 0), ("mended", 1)):
            table = asked(FIX, "Before and after", "C", window="1h", before="3h", after="1m", workload=workload)
            measures = ("CLOSE_WAIT and held, median", "CLOSE_WAIT and held, at worst", "Stuck and held, at worst")
            scenario.asks(f"sum by (measure) ({table})", 5 * 60, {f'measure="{measure}"': met for measure in measures})
        scenario.run(self)

    def test_growth_beside_restarts_is_growth(self):
        """One leaks sixty an hour; another, that kept 508, is restarted; so is one beside it in its own workload."""
        scenario = Scenario(5 * 60, files=FILES)
        scenario.pod("shop", "cart", "cart-0", ramp(0, 60, 301))
        scenario.pod("shop", "cart", "cart-1", [508] * 265 + [0] * 36)
        scenario.pod("shop", "till", "till-0", [508] * 265 + [0] * 36)
        scenario.asks(asked(FLEET, "Growth an hour"), 290, {"": 60})
        scenario.asks(asked(FLEET, "Growth, the ten fastest workloads"), 290, {'namespace="shop",workload="cart"': 60})
        scenario.run(self)

    def test_only_rollouts_are_drawn_as_rollouts(self):
        scenario = Scenario(4 * 60, files=FILES)
        old = -90000
        for number in range(24):  # a job every ten minutes
            begin = 10 * number
            scenario.pod("shop", "report", f"report-{number}-x", [None] * begin + [0] * 5 + ["stale"], kind="CronJob")
            scenario.series("kube_pod_start_time", {"namespace": "shop", "pod": f"report-{number}-x"},
                            [None] * begin + [60 * begin] * 5 + ["stale"])
        for workload, pods, moved in (("large", 200, 1), ("moved", 10, 10)):
            for number in range(pods):
                begin = 120 if number < moved else 241
                for set_, alive, started in (("5d", [0] * begin + ["stale"], old), ("7f", [None] * begin + [0] * (241 - begin), begin * 60)):
                    if 0 in alive:
                        pod = f"{workload}-{set_}-{number}"
                        scenario.pod("shop", workload, pod, alive)
                        scenario.series("kube_pod_start_time", {"namespace": "shop", "pod": pod},
                                        [started if one == 0 else one for one in alive])
        for uid in (FIX, FLEET):
            drawn_ = f"max by (workload) (max_over_time(({annotation(uid, 'Rollouts')})[200m:1m]))"
            scenario.asks(f"count by (workload) ({drawn_})", 239, {'workload="moved"': 1})
        scenario.run(self)

    def test_pods_that_leak_are_those_of_the_alert(self):
        """Twenty of a workload that leaks, one that stands out among others; not a pool, not few that stay."""
        scenario = Scenario(5 * 60, files=("sockets", "alerts"))
        for number in range(20):
            scenario.pod("shop", "cart", f"cart-5d-{number}", ramp(0, 12, 301))
            scenario.pod("shop", "few", f"few-5d-{number}", 3)
            scenario.pod("shop", "one", f"one-5d-{number}", ramp(0, 60, 301) if number == 7 else 0)
        scenario.pod("shop", "pool", "pool-5d-x", [0] * 10 + [25] * 291)
        scenario.asks(asked(FLEET, "Pods that leak"), 20, {"": 0})
        scenario.asks(asked(FLEET, "Pods that leak"), 290, {"": 21})
        scenario.asks(asked(FLEET, "Pods that leak", workload="one"), 290, {"": 1})
        scenario.asks_alerts("ClosewatchCloseWaitLeak", 290, 2)
        scenario.run(self)

    def test_a_table_with_links_names_the_cluster_of_each_row(self):
        """The cluster where the series have one, else all of them: what is not there cannot be linked to."""
        found = set()
        for uid, _, panel in drawn():
            links = [link["url"] for override in panel["fieldConfig"]["overrides"] for one in override["properties"]
                     if one["id"] == "links" for link in one["value"]]
            if not links:
                continue
            for url in links:
                self.assertIn('var-cluster=${__data.fields["Clusters"]}', url)
            names = {"Clusters": "clusters"}
            self.assertIn(names, [{shown: field for field, shown in step["options"].get("renameByName", {}).items() if shown == "Clusters"}
                                  for step in panel["transformations"]])
            for target in panel["targets"]:
                found.add((uid, panel["title"], target["refId"]))
        self.assertGreater(len(found), 5)
        scenario = Scenario(40, files=FILES)
        for cluster in ("north", ""):
            more = {"cluster": cluster} if cluster else {}
            scenario.pod("shop", "cart", "cart-0", 7, **more)
            name = {"node": "a", "namespace": "shop", "pod": "cart-0"} | more
            scenario.series("closewatch_close_wait_peer_sockets", name | {"direction": "outbound", "peer": "10.0.0.9:443"}, 7)
            scenario.series("closewatch_pod_visible", name | {"reason": ""}, 1)
            scenario.series("closewatch_pod_visible", name | {"pod": "blind-0", "reason": "denied"}, 0)
        for uid, title, letter in sorted(found):
            rows = asked(uid, title, letter, pod="cart-0", namespace="shop")
            scenario.asks(f"count by (clusters, cluster) ({rows})", 39,
                          {'clusters="north",cluster="north"': 1, 'clusters=".*"': 1})
        scenario.run(self)

    def test_a_month_of_a_large_cluster_is_not_read_workload_by_workload(self):
        """All workloads are their namespaces' sums; those that are chosen are their own."""
        for title, letters in (("CLOSE_WAIT and stuck", "AB"), ("CLOSE_WAIT and held", "AB"), ("Before and after", "AB")):
            for letter in letters:
                with self.subTest(panel=title, query=letter):
                    text = asked(FIX, title, letter)
                    self.assertNotRegex(text, r"workload:closewatch_close_wait\w*:sum{(?![^}]*chosen!~)")
        scenario = self.sawtooths()
        selector = 'cluster=~".*",namespace=~".*",workload=~".*",chosen!~".*"'
        scenario.asks(f"count(workload:closewatch_close_wait_sockets:sum{{{selector}}}) or vector(0)", 60, {"": 0})
        scenario.run(self)


if __name__ == "__main__":
    unittest.main()
