# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus that scrapes invented agents."""

import json
import pathlib
import re
import subprocess
import sys
import time

from exposition import ROOT, SCRAPE_SECONDS

sys.path.insert(0, str(ROOT / "tests" / "system"))

from prometheus import Prometheus  # noqa: E402  pylint: disable=wrong-import-position

HERE = pathlib.Path(__file__).resolve().parent


class Agents:
    """`serve`, as long as `with` lasts."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self._process = subprocess.Popen([sys.executable, "-B", HERE / "serve", f"--agents={self.count}"],
                                         stdout=subprocess.PIPE, text=True)
        told = json.loads(self._process.stdout.readline())
        self.targets, self.bytes, self.gzipped = told["targets"], told["bytes"], told["gzipped"]
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


class Scraping(Prometheus):
    """Scrapes all agents every `interval` seconds and evaluates the rules of some files; more for the job in `settings`."""

    def __init__(self, agents, rules=(), interval=SCRAPE_SECONDS, **settings):
        self._count = agents.count
        super().__init__(json.dumps({
            "global": {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "closewatch", "honor_labels": True, "static_configs": agents.targets, **settings}]}))

    def wait_for_all(self, seconds=300):
        """Until each agent has been scraped, the last time with success."""
        deadline = time.monotonic() + seconds
        while self.value("sum(up)") != self._count:
            if time.monotonic() > deadline:
                raise AssertionError(f"of {self._count} agents {self.value('sum(up)')} could be scraped")
            time.sleep(0.5)

    def own(self, metric):
        """What it says of itself, summed up over its labels."""
        found = re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", self.read("/metrics").decode(), re.M)
        return sum(float(value) for value in found)
