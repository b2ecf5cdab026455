# SPDX-License-Identifier: Apache-2.0
"""The invented agents of docs/scale.md look like real ones, and Prometheus counts what the plan says."""

import pathlib
import re
import sys
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "scale"))

from exposition import ROOT, Fleet, Shape, documented  # noqa: E402  pylint: disable=wrong-import-position
from scraping import Agents, Scraping  # noqa: E402  pylint: disable=wrong-import-position


def label_names(text):
    """{metric: the sets of labels that its series have}, in the order in which they are written."""
    found = {}
    for name, inside in re.findall(r"^(\w+)(?:{(.*)})? \S+$", text, re.M):
        found.setdefault(name, set()).add(tuple(re.findall(r'(\w+)="', inside)))
    return found


def dropping(name, state=".*"):
    """What metrics.without leaves out, said to Prometheus."""
    return {"source_labels": ["__name__", "state"], "regex": f"{name};{state}", "action": "drop"}


class Expositions(unittest.TestCase):
    def test_they_have_the_names_and_labels_of_real_ones(self):
        golden = (ROOT / "tests/unit/metrics/golden/metrics.txt").read_text(encoding="utf-8")
        invented = Fleet(Shape(leaking_share=1)).exposition(3, 20).decode()
        # Those of the web configuration are there only where there is one.
        real = {name: labels for name, labels in label_names(golden).items() if not name.startswith("closewatch_web_")}
        self.assertEqual(label_names(invented), real)
        # There is no series of owners where no pod makes sockets for another.
        # Nor of what metrics.without leaves out where it is empty.
        absent = {"closewatch_close_wait_owner_sockets", "closewatch_closed_held_owner_sockets", "closewatch_excluded_series"}
        self.assertEqual(set(label_names(invented)),
                         {name for name in documented() if not name.startswith("closewatch_web_")} - absent)

    def test_a_pod_has_as_many_series_as_the_plan_says(self):
        for shape in (Shape(leaking_share=0), Shape(pods=4, containers=1, ports=3, leaking_share=0)):
            text = Fleet(shape).exposition(0, 0).decode()
            series = [line for line in text.splitlines() if not line.startswith("#")]
            self.assertEqual(len(series), shape.pods * shape.series_of_pod() + shape.series_of_agent())

    def test_agents_differ_and_counters_rise(self):
        fleet = Fleet()
        self.assertNotEqual(fleet.exposition(0, 0), fleet.exposition(1, 0))
        cpu = [float(re.search(rb"^closewatch_scan_cpu_seconds_total (\S+)$", fleet.exposition(0, tick), re.M).group(1))
               for tick in (0, 1, 2)]
        self.assertEqual(cpu, sorted(cpu))


class Ingested(unittest.TestCase):
    def test_prometheus_has_the_series_of_the_plan(self):
        shape = Shape()
        with Agents(20) as agents, Scraping(agents, interval=1) as prometheus:
            prometheus.wait_for_all()
            leaking = prometheus.value("count(closewatch_close_wait_peer_sockets)")
            self.assertEqual(prometheus.value('count({__name__=~"closewatch_.*|process_.*"})'),
                             20 * (shape.pods * shape.series_of_pod() + shape.series_of_agent()) + leaking)

    def test_what_is_dropped_leaves_as_much_as_the_plan_says(self):
        page = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
        first, second = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.S)][:2]
        agents_rules = [dropping(*name.split("/")) for name in first["metrics"]["without"]]
        sidecars = [{re.sub("[A-Z]", lambda letter: "_" + letter.group().lower(), key): value for key, value in rule.items()}
                    for rule in second]
        sidecars[0]["regex"] = sidecars[0]["regex"].replace("istio-proxy", "container-1")
        whole, at_the_agent = re.search(r"the (\d+) series of a pod to (\d+)", page).groups()
        at_prometheus = re.search(r"which takes them to (\d+)", page).group(1)
        self.assertEqual(int(whole), Shape().series_of_pod())
        for rules, left in ((agents_rules, int(at_the_agent)), (agents_rules + sidecars, int(at_prometheus))):
            with self.subTest(left=left), Agents(1) as agents, \
                    Scraping(agents, interval=1, metric_relabel_configs=rules) as prometheus:
                prometheus.wait_for_all()
                # Those that leak have a peer besides.
                counts = [count for _, count in prometheus.query('count by (pod) ({pod!=""})')]
                self.assertEqual(set(counts) - {left + 1}, {left})


if __name__ == "__main__":
    unittest.main()
