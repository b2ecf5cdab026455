# SPDX-License-Identifier: Apache-2.0
"""The real Prometheus on the real agent: what it stores is what `ss` counts."""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import DEADLINE_SECONDS, Agent, Namespace, require, select, wait_for  # noqa: E402
from prometheus import Prometheus  # noqa: E402

CONFIGURATION = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: closewatch
    static_configs:
      - targets: ['127.0.0.1:{port}']
"""


class ScrapeTest(unittest.TestCase):
    """From the kernel's sockets to a query's answer."""

    @classmethod
    def setUpClass(cls):
        cls.agent = cls.enterClassContext(Agent())
        cls.prometheus = cls.enterClassContext(
            Prometheus(CONFIGURATION.format(port=cls.agent.port)))

    def test_the_target_is_up(self):
        wait_for(lambda: self.prometheus.value('up{job="closewatch"}') == 1, "the target up")

    def test_stored_counts_are_those_of_ss(self):
        namespace = self.enterContext(Namespace("stored", close_wait=6, connections=2))
        expected = namespace.states()
        self.assertEqual(6, expected["close_wait"])
        series = f'closewatch_pod_sockets{{pod="{namespace.name}"}}'

        def stored():
            return {labels["state"]: value for labels, value in self.prometheus.query(series)}

        wait_for(lambda: stored() == expected, f"{series} to be {expected}")
        leak = f'closewatch_pod_sockets{{pod="{namespace.name}",state="close_wait"}}'
        ((labels, value),) = self.prometheus.query(leak)
        self.assertEqual(6, value)
        self.assertEqual("netns", labels["namespace"])
        self.assertFalse([label for label in labels if label.startswith("exported_")])

    def test_a_namespace_that_is_gone_is_stale_at_once(self):
        """Without the marker of a scrape that lacks it, a series stays for five minutes more."""
        with Namespace("stale", close_wait=1) as namespace:
            leak = f'closewatch_pod_sockets{{pod="{namespace.name}",state="close_wait"}}'
            wait_for(lambda: self.prometheus.value(leak) == 1, "the leak to be stored")
        wait_for(lambda: not self.prometheus.query(leak), "the series to become stale")
        self.assertEqual(1, self.prometheus.value('up{job="closewatch"}'))
        history = f'count_over_time(closewatch_pod_sockets{{pod="{namespace.name}"}}[5m])'
        self.assertEqual(11, len(self.prometheus.query(history)), "what was stored stays stored")

    def test_no_sample_of_a_scrape_is_dropped(self):
        """Prometheus refuses a sample that is given twice, and only its own log tells."""
        self.enterContext(Namespace("all", close_wait=1, connections=1, queued=1))
        expected = len(self.agent.fresh_metrics())
        wait_for(lambda: self.prometheus.value("scrape_samples_scraped") == expected,
                 f"{expected} samples in a scrape")
        self.assertEqual(expected, self.prometheus.value("scrape_samples_post_metric_relabeling"))


class PromtoolTest(unittest.TestCase):
    """The linter of the text format."""

    def test_promtool_has_nothing_to_say(self):
        require("promtool")
        self.enterContext(Namespace("lint", close_wait=1, queued=1))
        agent = self.enterContext(Agent("--diagnosis.stuck_after", "1s"))
        wait_for(lambda: select(agent.metrics(), "closewatch_close_wait_peer_sockets"),
                 "the family that only a stuck socket has")
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=agent.metrics_text(),
            capture_output=True, text=True, timeout=DEADLINE_SECONDS,
        )
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))

    def test_the_shipped_scrape_configuration_is_valid(self):
        require("promtool")
        shipped = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "prometheus.yml"
        done = subprocess.run(["promtool", "check", "config", shipped],
                              capture_output=True, text=True, timeout=DEADLINE_SECONDS)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
