# SPDX-License-Identifier: Apache-2.0
"""The shipped rules in the Prometheus of Debian 13 and in vmalert make what they make in the Prometheus of Debian 12."""

import math
import os
import pathlib
import re
import tempfile
import unittest

import engines
import month
from prometheus import Prometheus

# Seconds between a scrape and the evaluation. At 0 a window ends on a sample, which vmalert counts at one of its ends only.
PHASE = int(os.environ.get("ENGINES_PHASE", "20"))
BEGIN, END = month.START + 1800 + PHASE, engines.END - 60 + PHASE
# Of two that are equal topk takes either, in any engine.
TIES = {"pod:closewatch_close_wait_owner_sockets:top", "service:closewatch_proxy:best_correlation"}
# VictoriaMetrics extrapolates no rate, and counts a change since the sample before the window.
OTHER = {"ClosewatchScansFailing", "ClosewatchAgentStale"}


def is_rate(name):
    """Or made of rates alone."""
    return re.search(r":(ratio_)?rate5m$|:p\d+_5m$", name)


def differences(wanted, found, states=()):
    """{rule: what the first one is} of rules whose samples differ; of those in `states` only when they are there."""
    told = {}
    for key in wanted.keys() | found.keys():
        mine, other = wanted.get(key, {}), found.get(key, {})
        for at in mine.keys() | other.keys():
            one, two = mine.get(at), other.get(at)
            if one is None or two is None or key[0] not in states and not math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9):
                told.setdefault(key[0], f"{dict(key[1])}, minute {(at - month.START) / 60:.1f}: {one}, {two}")
    return told


class EnginesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        engines.built(cls.directory, engines.told(), month.START, engines.END - 60)
        with Prometheus("{}", *engines.looking_back(60), directory=cls.directory) as prometheus:
            cls.wanted = engines.asked(prometheus, BEGIN, END)

    def binary(self, name, pattern, whence):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        return engines.unpacked(name, pattern, directory) or self.skipTest(f"no {pattern} in {engines.CACHE}: {whence}")

    def test_there_is_something_of_nearly_all_rules(self):
        names = {rule.get("record") or rule["alert"] for _, rule in engines.rules()}
        self.assertGreater(len({name for name, _ in self.wanted}), 0.8 * len(names))
        self.assertGreater(sum(map(len, self.wanted.values())), 100_000)
        self.assertTrue([key for key in self.wanted if key[0] == "pod:closewatch_close_wait_sockets:max"])

    def test_a_newer_prometheus_makes_the_same(self):
        newer = self.binary("prometheus", "distributions/archives-trixie/prometheus_*.deb", "tests/distributions/run trixie")
        with engines.OtherPrometheus(newer, self.directory) as prometheus:
            other = differences(self.wanted, engines.asked(prometheus, BEGIN, END))
        self.assertEqual({}, {name: what for name, what in other.items() if name not in TIES})

    def test_vmalert_makes_the_same(self):
        victoria = self.binary("victoria-metrics", "engines/victoria-metrics_*.deb", "tests/monitoring/run on Debian 12")
        source, target = (self.enterContext(engines.VictoriaMetrics(victoria)) for _ in range(2))
        source.load(self.directory)
        found = engines.replayed(victoria.with_name("vmalert"), source, target, BEGIN, END)
        alerts = {rule["alert"] for _, rule in engines.rules() if "alert" in rule}
        other = differences(self.wanted, found, alerts)
        self.assertEqual({}, {name: what for name, what in other.items() if name not in OTHER | TIES and not is_rate(name)})
        self.assertGreater(len({name for name, _ in self.wanted} - other.keys()), 0.85 * len({name for name, _ in self.wanted}))


if __name__ == "__main__":
    unittest.main()
