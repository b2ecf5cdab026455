#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What `kubectl closewait` costs who runs it, as a table:

  tests/system/measure_kubectl_closewait.py [--agents N,N…] [--slow N] [--old SCRIPT]

Fake agents of 30 pods each, behind a fake API server in this process; the real kubectl. CPU is that of the plugin and all that
it starts, memory the sum of their resident sets at its highest. --old is another version of the plugin, measured in the same run.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from fake_agent_cluster import FakeAgent, FakeAgentCluster, pod_row  # noqa: E402
from test_kubectl_closewait import PLUGIN, Oncall, resident, without_curl  # noqa: E402

PODS = 30


def cluster(agents):
    """One pod in ten leaks."""
    return FakeAgentCluster([FakeAgent(f"node-{i:04}", [
        pod_row("shop", f"cart-{i}-{j}", close_wait=10 * (j % 10 == 0), stuck=i % 7 * (j % 10 == 0), oldest=i + j / 8,
                workload="Deployment/cart", peers=f"outbound/10.0.0.{j}:443/10/1" if j % 10 == 0 else "")
        for j in range(PODS)]) for i in range(agents)])


def measure(script, oncall, *arguments):
    """CPU seconds, seconds, most bytes resident, and lines of the answer."""
    began = time.monotonic()
    with open(os.devnull, "rb") as nothing, open(oncall.home / "out", "w+b") as out:
        process = subprocess.Popen([script, "--timeout", "120", *arguments], env=oncall.environment, stdin=nothing, stdout=out,
                                   start_new_session=True)
        peak, ended = [0], threading.Event()

        def watch():
            while not ended.wait(0.02):
                peak[0] = max(peak[0], resident(process.pid))
        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        watcher.join()
        assert process.returncode == 0, process.returncode
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, time.monotonic() - began, peak[0], out.read().count(b"\n")


class Measure(unittest.TestCase):
    """Only for its way of tidying up."""

    def runTest(self):  # pylint: disable=invalid-name
        """The table."""
        numbers = [int(word) for word in GIVEN.agents.split(",")]
        print("| agents | way | CPU, s | seconds | memory at most, MiB | lines |\n|---|---|---|---|---|---|")
        for agents in numbers:
            with cluster(agents) as server:
                oncall = Oncall(self, server)
                ways = [("one kubectl and curl", PLUGIN, oncall)]
                if agents <= GIVEN.slow:
                    bare = Oncall(self, server)
                    bare.environment["PATH"] = without_curl(bare)
                    ways.append(("a kubectl each", PLUGIN, bare))
                    if GIVEN.old:
                        ways.append(("the old script", pathlib.Path(GIVEN.old).resolve(), oncall))
                for way, script, who in ways:
                    for arguments in ((), ("pods",)):
                        cpu, seconds, peak, lines = measure(script, who, *arguments)
                        print(f"| {agents} | {way}{', all pods' if arguments else ''} | {cpu:.2f} | {seconds:.1f} | {peak / 2**20:.0f} | {lines} |",
                              flush=True)


if __name__ == "__main__":
    PARSER = argparse.ArgumentParser()
    PARSER.add_argument("--agents", default="3,200,5000")
    PARSER.add_argument("--slow", type=int, default=200, help="up to how many agents the slow ways are measured, too")
    PARSER.add_argument("--old")
    GIVEN = PARSER.parse_args()
    unittest.TextTestRunner(verbosity=0).run(Measure())
