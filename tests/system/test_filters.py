# SPDX-License-Identifier: Apache-2.0
"""What the agent is told to leave out: namespaces, and metrics of pods."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import HERE, Agent, parse_metrics, require, run, run_closewatch, select, wait_for  # noqa: E402
from running_pods import RunningPods  # noqa: E402

PODS = {("shop", "web"): ("11111111-1111-4111-8111-111111111111", 7),
        ("kube-system", "logger"): ("22222222-2222-4222-8222-222222222222", 2)}


class FiltersTest(unittest.TestCase):
    """Two pods of two namespaces, each with sockets in CLOSE_WAIT."""

    @classmethod
    def setUpClass(cls):
        require("nsenter", "ss")
        cls.pods = cls.enterClassContext(RunningPods("filters"))
        cls.logs = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for (namespace, pod), (uid, close_wait) in PODS.items():
            os.makedirs(cls.logs / f"{namespace}_{pod}_{uid}")
            process = cls.pods.start(uid, "sh", "-c", f'ip link set lo up && exec "{sys.executable}" "$@"', "sh",
                                     HERE / "hold_sockets.py", close_wait, 0, 0, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
            cls.addClassCleanup(process.stdout.close)
            cls.addClassCleanup(process.stdin.close)
            wait_for(lambda process=process, close_wait=close_wait: len(run(
                "nsenter", "-n", "-t", str(process.pid), "ss", "-Htan", "state", "close-wait").splitlines()) == close_wait,
                "its sockets")

    def flags(self, *more):
        """For the pods of this module alone."""
        return ("--pods.discovery", "kubernetes", "--paths.cgroup", self.pods.cgroup, "--metadata.source", "logs",
                "--paths.pod_logs", str(self.logs), "--paths.container_logs", str(self.logs), *more)

    def agent(self, *more):
        """One that has scanned."""
        agent = self.enterContext(Agent(*self.flags(*more)))
        agent.wait_until_ready()
        return agent

    def assert_only_web_is_counted(self, agent):
        """And the other is named, with the reason and without a number, wherever pods are shown."""
        text = agent.metrics_text()
        self.assertEqual(['closewatch_pod_visible{namespace="kube-system",pod="logger",reason="excluded"} 0'],
                         [line for line in text.splitlines() if "kube-system" in line])
        (counted,) = select(parse_metrics(text), "closewatch_pod_sockets", pod="web", state="close_wait").values()
        self.assertEqual(7, counted)
        (pod,) = [pod for pod in agent.get_json("/api/v1/pods")["pods"] if pod["pod"] == "logger"]
        self.assertEqual((False, "excluded"), (pod["visible"], pod["reason"]))
        self.assertIn("pods.namespaces", pod["detail"])
        self.assertNotIn("states", pod)
        listing = agent.get_json("/api/v1/pods/kube-system/logger/sockets")
        self.assertEqual("excluded", listing["reason"])
        row = next(line.split("\t") for line in agent.get("/api/v1/pods.tsv").body.decode().splitlines()
                   if line.startswith("kube-system\tlogger\t"))
        self.assertEqual(["excluded", "", ""], row[7:10])
        self.assertIn("\texcluded/1\t", agent.get("/api/v1/agent.tsv").body.decode())
        self.assertIn("excluded", agent.get("/").body.decode())
        self.assertEqual([], [line for line in agent.log if "logger" in line])

    def test_an_excluded_namespace(self):
        for engine in ("inet_diag", "bpf", "procfs"):
            with self.subTest(engine):
                self.assert_only_web_is_counted(self.agent("--scan.engine", engine, "--pods.namespaces.exclude", "kube-*"))

    def test_an_included_namespace(self):
        self.assert_only_web_is_counted(self.agent("--pods.namespaces.include", "shop,bank"))

    def test_scan_says_it_too(self):
        lines = run_closewatch("scan", *self.flags("--pods.namespaces.exclude", "kube-system")).stdout.splitlines()
        (line,) = [line for line in lines if "logger" in line]
        self.assertIn("excluded", line)

    def test_metrics_that_are_left_out(self):
        whole = parse_metrics(self.agent().metrics_text())
        agent = self.agent("--metrics.without", "closewatch_close_wait_sockets,closewatch_pod_sockets/closing")
        metrics = parse_metrics(agent.metrics_text())
        self.assertEqual({}, select(metrics, "closewatch_close_wait_sockets"))
        self.assertEqual({}, select(metrics, "closewatch_pod_sockets", state="closing"))
        for name, labels in (("closewatch_close_wait_sockets", {}), ("closewatch_pod_sockets", {"state": "closing"})):
            (told,) = select(metrics, "closewatch_excluded_series", metric=name).values()
            self.assertEqual(len(select(whole, name, **labels)), told)
        (pod,) = [pod for pod in agent.get_json("/api/v1/pods")["pods"] if pod["pod"] == "web"]
        self.assertEqual(0, pod["states"]["closing"], "the API tells all")


if __name__ == "__main__":
    unittest.main()
