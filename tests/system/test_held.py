# SPDX-License-Identifier: Apache-2.0
"""Leaks whose peers answer with a RST: the kernel's tables lose the sockets, the programs keep the descriptors.

The truth is how many descriptors of sockets a program has, as its mistake leaves them, and what `ss` shows no more.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import HERE, Agent, Namespace, cleaned_up, require, run, select, wait_for  # noqa: E402
from test_real_leaks import Program, scan  # noqa: E402

CHART = HERE.parent / "chart/golden"
# Of a peer that has forgotten the connection keepalive learns within seconds.
HASTE = ("net.ipv4.tcp_fin_timeout=1", "net.ipv4.tcp_keepalive_time=1", "net.ipv4.tcp_keepalive_intvl=1",
         "net.ipv4.tcp_keepalive_probes=1")


def descriptors(pid):
    """What `ls /proc/PID/fd | wc -l` says."""
    return len(os.listdir(f"/proc/{pid}/fd"))


AS_ANOTHER = ("setpriv", "--reuid=1234", "--regid=1234", "--clear-groups")


def soft_limit(pid, *user):
    """What prlimit(1) says, which asks for the process' own user here."""
    return int(run(*user, "prlimit", "--nofile", "--noheadings", "--output", "SOFT", "--pid", str(pid)))


# 30 connections that their peer has reset, and a limit of its own.
OF_ANOTHER_USER = """
import resource, socket, struct, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (777, 4096))
server = socket.create_server(("127.0.0.1", 0))
kept = [open("/dev/null") for _ in range(300)]
for _ in range(30):
    kept.append(socket.create_connection(server.getsockname()))
    accepted, _ = server.accept()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    accepted.close()
print("ready", flush=True)
sys.stdin.read()
"""


def capabilities_of_the_chart(engine):
    """What it adds for an engine, and the numbers of their bits."""
    numbers = {"SYS_PTRACE": 19, "SYS_ADMIN": 21, "PERFMON": 38, "BPF": 39}
    rendered = (CHART / {"auto": "default.yaml", "bpf": "bpf.yaml"}[engine]).read_text(encoding="utf-8")
    return {name: numbers[name] for name in re.search(r"add:\n((?: +- \w+\n)+)", rendered)[1].replace("-", "").split()}


class HeldTest(unittest.TestCase):
    """Each test has a network namespace, in it a leaking program and its other end."""

    def setUp(self):
        require("ip", "ss")
        self.namespace = self.enterContext(Namespace("held"))
        run(*self.namespace.entering(), "sysctl", "-qw", *HASTE)

    def start(self, name, *arguments):
        return self.enterContext(Program(self.namespace, name, *arguments))

    def leak(self, name, count):
        """The leaking program, once it has called so often."""
        server = self.start("closing_server.py")
        self.port = int(server.line())
        program = self.start(name, self.port, count)
        self.assertEqual("ready", program.line())
        return program

    def close_wait(self):
        return self.namespace.states()["close_wait"]

    def look(self):
        (pod,) = json.loads(scan(self.namespace, "--output", "json"))["pods"]
        return pod

    def assert_all_are_told(self, program, count):
        """While they are in CLOSE_WAIT, and after it, and in between."""
        seen = set()

        def all_held():
            before = self.close_wait()
            pod = self.look()
            held = pod["closed_held"]["sockets"]
            if before == self.close_wait():  # nothing has changed meanwhile
                self.assertEqual(count, pod["close_wait"]["sockets"] + held)
                seen.add(held)
            return held == count and pod["close_wait"]["sockets"] == 0 and pod
        pod = wait_for(all_held, f"{count} held sockets, and not just {seen}")
        self.assertEqual(0, pod["close_wait"]["sockets"])
        self.assertEqual(0, self.close_wait())
        self.assertEqual([{"container": "unknown", "sockets": count}], pod["closed_held"]["containers"])
        self.assertEqual([("outbound", f"127.0.0.1:{self.port}", count)],
                         [(peer["direction"], peer["peer"], peer["sockets"]) for peer in pod["closed_held"]["peers"]])
        listing = json.loads(scan(self.namespace, "--sockets", "--output", "json"))
        self.assertEqual((count, False), (listing["total"], listing["cut"]))
        self.assertEqual({("close", "close", f"127.0.0.1:{self.port}", program.pid)},
                         {(one["state"], one["owes"], one["remote"], one["process"]["pid"]) for one in listing["sockets"]})
        # Which of the namespace's processes is nearest to its limit depends on how far each raises that.
        (nearest,) = pod["descriptors"]
        self.assertEqual(descriptors(nearest["process"]["pid"]), nearest["open"])
        self.assertEqual(soft_limit(nearest["process"]["pid"]), nearest["limit"])

    def assert_is_over(self, program):
        self.assertEqual("closed", program.ask("close"))
        self.assertEqual(0, self.look()["closed_held"]["sockets"])

    def test_a_python_program_that_forgets_176(self):
        program = self.leak("keepalive_client.py", 176)
        self.assert_all_are_told(program, 176)
        self.assert_is_over(program)

    def test_a_java_program_that_forgets_30(self):
        require("java")
        program = self.leak("KeepAliveSession.java", 30)
        self.assert_all_are_told(program, 30)
        self.assert_is_over(program)

    def test_a_node_program_that_forgets_30(self):
        require("node")
        program = self.leak("keepalive_session.mjs", 30)
        self.assert_all_are_told(program, 30)
        self.assert_is_over(program)

    def test_the_agent_tells_them_by_namespace_pod_and_container(self):
        self.leak("keepalive_client.py", 5)
        wait_for(lambda: self.look()["closed_held"]["sockets"] == 5, "5 held sockets")
        agent = self.enterContext(Agent("--pods.discovery", "standalone"))
        agent.wait_until_ready()
        metrics = agent.metrics()
        labels = {"namespace": "netns", "pod": self.namespace.name}
        self.assertEqual({frozenset({**labels, "container": "unknown"}.items()): 5},
                         select(metrics, "closewatch_closed_held_sockets", **labels))
        self.assertEqual([0], list(select(metrics, "closewatch_closed_held_entered_total", **labels).values()))
        self.assertEqual([1], list(select(metrics, "closewatch_feature_enabled", feature="held_sockets").values()))

    def test_with_the_charts_capabilities_alone_other_users_processes_are_told(self):
        """Root as in a container, that may gain nothing."""
        require("setpriv", "prlimit")
        process = self.enterContext(subprocess.Popen(
            [*self.namespace.entering(), *AS_ANOTHER, sys.executable, "-c", OF_ANOTHER_USER], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        self.enterContext(cleaned_up(process.kill))
        self.assertEqual("ready\n", process.stdout.readline())
        for engine in ("auto", "bpf"):
            with self.subTest(engine), contextlib.ExitStack() as stack:
                added = capabilities_of_the_chart(engine)
                agent = stack.enter_context(Agent(
                    "--pods.discovery", "standalone", "--scan.engine", engine,
                    prefix=("setpriv", "--no-new-privs", "--inh-caps=-all",
                            "--bounding-set=" + ",".join(["-all", *(f"+{name.lower()}" for name in added)]))))
                agent.wait_until_ready()
                (child,) = run("pgrep", "--parent", str(agent.process.pid)).split()
                status = pathlib.Path(f"/proc/{child}/status").read_text(encoding="utf-8")
                self.assertEqual(sum(1 << bit for bit in added.values()),
                                 int(re.search(r"CapPrm:\s(\w+)", status)[1], 16))
                mine = {"namespace": "netns", "pod": self.namespace.name, "container": "unknown"}

                def told(metric):
                    return list(select(agent.metrics(), metric, **mine).values())  # pylint: disable=cell-var-from-loop
                self.assertEqual([30], told("closewatch_closed_held_sockets"))
                self.assertEqual([descriptors(process.pid)], told("closewatch_descriptors_open"))
                self.assertEqual([soft_limit(process.pid, *AS_ANOTHER)], told("closewatch_descriptors_limit"))
                self.assertEqual([777], told("closewatch_descriptors_limit"))
                self.assertEqual([1], list(select(agent.metrics(), "closewatch_engine_in_use",
                                                  engine={"auto": "inet_diag", "bpf": "bpf"}[engine]).values()))

    def test_without_looking_there_is_no_number(self):
        agent = self.enterContext(Agent("--pods.discovery", "standalone", "--diagnosis.held_sockets", "off"))
        agent.wait_until_ready()
        metrics = agent.metrics()
        self.assertEqual({}, select(metrics, "closewatch_closed_held_sockets"))
        self.assertEqual([0], list(select(metrics, "closewatch_feature_enabled", feature="held_sockets").values()))


if __name__ == "__main__":
    unittest.main()
