# SPDX-License-Identifier: Apache-2.0
"""What pods on one node do to each other: nothing."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import Agent, require, run, run_closewatch, select, wait_for  # noqa: E402
from running_pods import RunningPods  # noqa: E402

ENGINES = ("inet_diag", "bpf", "procfs")
WEB, TOOL, PROXY = (str(uuid.uuid4()) for _ in range(3))
# Has as many sockets in CLOSE_WAIT as it is told, in the namespace in which it stands.
LEAKS = """import socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.create_server(("127.0.0.1", 0), backlog=int(sys.argv[1]))
kept = []
for _ in range(int(sys.argv[1])):
    kept.append(socket.create_connection(server.getsockname()))
    server.accept()[0].close()
print(flush=True)
time.sleep(100000)
"""
# Has as many processes as it is told, each in a network namespace of its own.
SPREADS = """import ctypes, os, sys, time
libc = ctypes.CDLL(None)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        libc.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
        libc.unshare(0x40000000)  # CLONE_NEWNET
        break
else:
    print(flush=True)
time.sleep(100000)
"""


class NeighboursTest(unittest.TestCase):
    """Pods of real processes."""

    def setUp(self):
        require("nsenter", "ss")
        self.pods = self.enterContext(RunningPods("neighbours"))
        self.logs = self.enterContext(tempfile.TemporaryDirectory())

    def flags(self, *more):
        return ("--pods.discovery", "kubernetes", "--paths.cgroup", self.pods.cgroup, "--metadata.source", "logs",
                "--paths.pod_logs", self.logs, "--paths.container_logs", self.logs, *more)

    def start(self, uid, program, *arguments, **other):
        """A process that has said that it is ready."""
        process = self.pods.start(uid, sys.executable, "-c", program, *arguments, stdout=subprocess.PIPE, **other)
        self.addCleanup(process.stdout.close)
        process.stdout.readline()
        return process

    def visit(self, uid, process):
        """A process of that pod in the other's namespace."""
        visitor = self.pods.start(uid, "nsenter", f"--net=/proc/{process.pid}/ns/net", "sleep", "100000")
        wait_for(lambda: os.readlink(f"/proc/{visitor.pid}/ns/net") == os.readlink(f"/proc/{process.pid}/ns/net"),
                 "the visitor to be there")

    @staticmethod
    def close_wait_of(process):
        """As `ss` counts them."""
        return len(run("nsenter", "-n", "-t", str(process.pid), "ss", "-Htan", "state", "close-wait").splitlines())

    def counted(self, *flags):
        """Sockets in CLOSE_WAIT by uid; the reason for a pod that is not visible."""
        done = run_closewatch("scan", "--output", "json", *self.flags(*flags))
        return {pod["uid"]: pod["states"]["close_wait"] if pod["visible"] else pod["reason"]
                for pod in json.loads(done.stdout)["pods"]}


class VisitorTest(NeighboursTest):
    """Whose the sockets of a namespace are, when others stand in it."""

    def test_a_visitor_that_is_at_home_elsewhere(self):
        tool = self.start(TOOL, LEAKS, "2")
        web = self.start(WEB, LEAKS, "7")
        self.visit(TOOL, web)
        self.assertEqual([7, 2], [self.close_wait_of(web), self.close_wait_of(tool)])
        for engine in ENGINES:
            self.assertEqual({WEB: 7, TOOL: 2}, self.counted("--scan.engine", engine))

    def test_a_visitor_that_is_nowhere_else(self):
        web = self.start(WEB, LEAKS, "7")
        self.visit(TOOL, web)
        for engine in ENGINES:
            self.assertEqual({WEB: 7, TOOL: "host_network"}, self.counted("--scan.engine", engine))

    def test_a_visitor_of_the_hosts_network(self):
        self.pods.start(TOOL, host_network=True)
        web = self.start(WEB, LEAKS, "7")
        self.visit(TOOL, web)
        for engine in ENGINES:
            tool = "host_network" if engine == "procfs" else 0
            self.assertEqual({WEB: 7, TOOL: tool}, self.counted("--scan.engine", engine))

    def test_a_pod_of_the_hosts_network_with_a_namespace_beside(self):
        proxy = self.start(PROXY, LEAKS, "9", host_network=True)
        beside = self.start(PROXY, LEAKS, "4")
        self.assertEqual(4, self.close_wait_of(beside))
        self.assertGreaterEqual(self.close_wait_of(proxy), 9)
        for engine in ("inet_diag", "bpf"):
            self.assertEqual({PROXY: 13}, self.counted("--scan.engine", engine))


class ManyNamespacesTest(NeighboursTest):
    """One pod with hundreds of namespaces costs the others nothing."""

    def test_the_others_have_new_counts(self):
        web = self.start(WEB, LEAKS, "7")
        self.start(TOOL, SPREADS, "2000")
        for engine in ENGINES:
            agent = self.enterContext(Agent(*self.flags("--scan.engine", engine)))
            agent.wait_until_ready()
            for _ in range(2):
                metrics = agent.fresh_metrics()
                visible = {(dict(labels)["pod"], dict(labels)["reason"]): value
                           for labels, value in select(metrics, "closewatch_pod_visible").items()}
                self.assertEqual({(WEB, ""): 1, (TOOL, "over_limit"): 0}, visible)
                sockets = select(metrics, "closewatch_pod_sockets", pod=WEB, state="close_wait")
                self.assertEqual([self.close_wait_of(web)], list(sockets.values()))
            self.assertEqual(200, agent.get("/healthz").status)
            self.assertEqual(0, agent.stop())


if __name__ == "__main__":
    unittest.main()
