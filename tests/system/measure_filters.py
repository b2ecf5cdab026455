#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What filters save of 110 pods, as a table: series, bytes of a scrape, and CPU of scans and scrapes.

Half of the pods are of the namespace "batch". Each has a process in a network namespace of its own, with sockets.
"""
import gzip
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import HERE, Agent, parse_metrics, select, wait_for  # noqa: E402
from running_pods import RunningPods  # noqa: E402

PODS, CONNECTIONS, SCANS, SCRAPES = 110, 20, 30, 200
LESS = ",".join([f"closewatch_pod_sockets/{state}" for state in (
    "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "close", "last_ack", "closing")] + [
        f"closewatch_close_wait_{name}" for name in ("unread_bytes", "entered_total", "left_total")])
CASES = (("none", ()), ("`metrics.without`: 7 states, unread, entered, left", ("--metrics.without", LESS)),
         ("`pods.namespaces.exclude: batch`", ("--pods.namespaces.exclude", "batch")),
         ("both", ("--metrics.without", LESS, "--pods.namespaces.exclude", "batch")))


def value(metrics, name):
    """Of the one series."""
    (found,) = select(metrics, name).values()
    return found


class Measure(unittest.TestCase):
    """Only for its way of tidying up."""

    def runTest(self):  # pylint: disable=invalid-name
        """The table."""
        pods = self.enterContext(RunningPods("measure-filters"))
        logs = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for number in range(PODS):
            uid = str(uuid.uuid4())
            os.makedirs(logs / f"{'batch' if number % 2 else 'shop'}_pod-{number}_{uid}")
            process = pods.start(uid, "sh", "-c", f'ip link set lo up && exec "{sys.executable}" "$@"', "sh", HERE / "hold_sockets.py",
                                 1, CONNECTIONS, 0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdout.readline()
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.stdin.close)
        flags = ("--pods.discovery", "kubernetes", "--paths.cgroup", pods.cgroup, "--metadata.source", "logs", "--paths.pod_logs",
                 str(logs), "--paths.container_logs", str(logs))
        print("| engine | left out | series | a scrape, KiB | compressed, KiB | a scan, ms of CPU | a scrape, ms of CPU |\n"
              "|---|---|---|---|---|---|---|")
        for engine in ("inet_diag", "bpf"):
            for name, more in CASES:
                with Agent(*flags, "--scan.engine", engine, *more) as agent:
                    agent.wait_until_ready()
                    text = agent.metrics_text()
                    metrics = parse_metrics(text)
                    began = value(metrics, "closewatch_scan_cpu_seconds_total")
                    last = value(metrics, "closewatch_scan_timestamp_seconds")
                    for _ in range(SCANS):
                        def new_scan(before=last):
                            now = value(agent.metrics(), "closewatch_scan_timestamp_seconds")
                            return now if now > before else None
                        last = wait_for(new_scan, "a scan")
                    scans = value(agent.metrics(), "closewatch_scan_cpu_seconds_total") - began
                    before = agent.metrics()
                    for _ in range(SCRAPES):
                        agent.get(agent.telemetry_path)
                    after = agent.metrics()
                    cpu = sum(sign * (value(at, "process_cpu_seconds_total") - value(at, "closewatch_scan_cpu_seconds_total"))
                              for sign, at in ((1, after), (-1, before)))
                    print(f"| {engine} | {name} | {len(metrics)} | {len(text) / 1024:.0f} | {len(gzip.compress(text.encode())) / 1024:.1f} "
                          f"| {1000 * scans / SCANS:.1f} | {1000 * cpu / SCRAPES:.1f} |", flush=True)


if __name__ == "__main__":
    unittest.TextTestRunner(verbosity=0).run(Measure())
