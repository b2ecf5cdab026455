# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus that is away when a burst begins, or while it lasts: each burst has one cause, once.

The shipped rules of bursts at a pace of seconds; what they are made of is invented from the time, by rules of the test.
"""

import json
import pathlib
import subprocess
import tempfile
import time
import unittest

import yaml

from agent import wait_for
from prometheus import Prometheus

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = {"rules": {"interval": "1s", "detailInterval": "1s", "slowInterval": "1s"},
            "burst": {"gap": "3s", "settleSeconds": 4, "leakWindow": "20s", "leastHistory": "2s", "slack": "2s"}}


class AwayTest(unittest.TestCase):

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        (self.directory / "values.yaml").write_text(yaml.safe_dump({"prometheusRule": {"settings": SETTINGS}}))
        subprocess.run([ROOT / "scripts/rules", "-f", self.directory / "values.yaml", "-o", self.directory / "rules"], check=True)
        self.begins = time.time() + 3600  # the burst; moved by `burst_in`
        self.write()

    def write(self):
        """`service` fails from `begins` on, and the workload behind it leaks, as invented by the time alone."""
        failing = f"0 + 0.5 * (vector(time()) >= bool {self.begins:.0f})"
        invented = [("service:envoy_cluster_upstream_rq:rate5m", "vector(10)"),
                    ("service:envoy_cluster_upstream_rq_5xx:rate5m", f"10 * ({failing})"),
                    ("service:envoy_cluster_upstream_rq_5xx:ratio_rate5m", failing)]
        rules = [{"record": name, "expr": expr, "labels": {"service": "cart.shop"}} for name, expr in invented]
        rules += [{"record": "service:closewatch_workload:info", "expr": "vector(1)",
                   "labels": {"service": "cart.shop", "namespace": "shop", "workload": "cart"}}]
        rules += [{"record": name, "expr": f"vector({value})", "labels": {"namespace": "shop", "workload": "cart"}}
                  for name, value in (("workload:closewatch_leak:evidence", 1), ("workload:closewatch_rollout:ratio", 0))]
        bursts = yaml.safe_load((self.directory / "rules/bursts.yaml").read_text())["groups"][0]["rules"]
        (self.directory / "all.json").write_text(json.dumps({"groups": [{"name": "all", "interval": "1s", "rules": rules + bursts}]}))

    def prometheus(self):
        return Prometheus(json.dumps({"global": {"evaluation_interval": "1s"}, "rule_files": [str(self.directory / "all.json")]}),
                          directory=self.directory)

    def attributed(self, prometheus):
        return {labels["class"]: value for labels, value in prometheus.query(
            "sum by (class) (sum_over_time(service:closewatch_burst:attributed[10m]))")}

    def test_a_burst_that_begins_while_prometheus_is_away(self):
        with self.prometheus() as prometheus:
            wait_for(lambda: prometheus.value("service:closewatch_burst:active") == 0, "a baseline")
        self.begins = time.time()
        self.write()
        with self.prometheus() as prometheus:
            wait_for(lambda: self.attributed(prometheus), "the burst to be attributed")
            later = time.time() + 3
            wait_for(lambda: time.time() > later and prometheus.value("service:closewatch_burst:active") == 1, "more evaluations")
            self.assertEqual({"leak": 1}, self.attributed(prometheus))

    def test_a_burst_across_restarts_before_and_after_it_is_judged(self):
        with self.prometheus() as prometheus:
            wait_for(lambda: prometheus.value("service:closewatch_burst:active") == 0, "a baseline")
            self.begins = time.time()
            self.write()
            prometheus.stop()
        with self.prometheus() as prometheus:
            wait_for(lambda: prometheus.value("sum(sum_over_time(service:closewatch_burst:started[10m]))") == 1, "the start")
        with self.prometheus() as prometheus:
            wait_for(lambda: self.attributed(prometheus), "the burst to be attributed")
        with self.prometheus() as prometheus:
            later = time.time() + 5
            wait_for(lambda: time.time() > later and prometheus.value("service:closewatch_burst:active") == 1, "more evaluations")
            self.assertEqual({"leak": 1}, self.attributed(prometheus))
            self.assertEqual(1, prometheus.value("sum(sum_over_time(service:closewatch_burst:started[10m]))"))


if __name__ == "__main__":
    unittest.main()
