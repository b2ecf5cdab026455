# SPDX-License-Identifier: Apache-2.0
"""`closewatch scan --sockets --state … [--by peer]`: sockets of any state, and who uses up the local ports. The truth is `ss -N`."""

import collections
import json
import pathlib
import re
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (STANDALONE, STATES, Namespace, require, run, run_closewatch, wait_for,  # noqa: E402
                   without)
from running_pods import RunningPods  # noqa: E402
from test_diagnosis import DocumentTest  # noqa: E402

LIVING = ("established", "syn_sent", "fin_wait2", "close_wait", "listen")


def listing(*arguments, status=0):
    """The document."""
    done = run_closewatch("scan", *STANDALONE, "--sockets", "--output", "json", *arguments)
    if done.returncode != status:
        raise AssertionError(f"scan ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def end(text):
    """An end of a socket as closewatch writes it: ss has a star for any address or port, and a mapped address as it is."""
    address, _, port = text.rpartition(":")
    address = "[::]" if address == "*" else re.sub(r"^\[::ffff:([0-9.]+)\]$", r"\1", address)
    return f"{address}:{port.replace('*', '0')}"


def pod_name(namespace):
    return f"netns/{namespace.name}"


class ConnectionsTest(DocumentTest):
    """In one namespace sockets of several states, and ports that are used up; another is idle."""

    @classmethod
    def setUpClass(cls):
        require("ip", "ss", "sysctl")
        cls.busy = cls.enterClassContext(Namespace("busy", close_wait=3, connections=2, queued=2))
        run(*cls.busy.entering(), "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40019",
            "net.ipv4.ip_local_reserved_ports=40005,40007-40008")
        cls.dialer = cls.busy.hold("use_up_ports.py", 7000)
        cls.idle = cls.enterClassContext(Namespace("idle"))

    def equal_to_ss(self, look):
        """What `look` returns while ss shows the same before and after it: (state, local, remote, queues)."""
        def same():
            before = self.busy.rows()
            found = look()
            return before == self.busy.rows() and (found, before)
        return wait_for(same, "sockets that stay as they are")

    def test_single_sockets_are_those_of_ss(self):
        for states in (LIVING, ("established",), ("listen",), ("time_wait", "syn_recv")):
            with self.subTest(states):
                found, rows = self.equal_to_ss(lambda: listing("--pod", pod_name(self.busy), "--state", ",".join(states)))
                self.assert_valid("connections", found)
                expected = sorted((STATES[state], end(local), end(remote), int(received), int(sent))
                                  for state, received, sent, local, remote, *_ in rows if STATES[state] in states)
                self.assertEqual(expected, sorted(
                    (one["state"], one["local"], one["remote"], one["receive_queue"], one["send_queue"]) for one in found["sockets"]))
                self.assertEqual((len(expected), False), (found["total"], found["cut"]))

    def test_who_uses_up_the_ports_is_first(self):
        found = self.assert_valid("connections", listing("--pod", pod_name(self.busy), "--by", "peer"))
        first = found["peers"][0]
        # Nobody can dial there any more: 20 ports without the three that are reserved.
        self.assertEqual(("outbound", "127.0.0.1:7000", 17, 17), tuple(first[key] for key in ("direction", "peer", "ports_used", "ports")))
        self.assertEqual({"established": 17}, first["states"])

    def test_peers_are_those_of_ss(self):
        found, rows = self.equal_to_ss(lambda: listing("--pod", pod_name(self.busy), "--by", "peer", "--state", "established,close_wait"))
        listening = {local.rpartition(":")[2] for state, _, _, local, *_ in rows if state == "LISTEN"}
        expected = collections.Counter()
        for state, _, _, local, remote, *_ in rows:
            if STATES[state] not in ("established", "close_wait"):
                continue
            inbound = local.rpartition(":")[2] in listening
            peer = end(remote).rpartition(":")[0] if inbound else end(remote)
            expected["inbound" if inbound else "outbound", peer] += 1
        self.assertEqual(expected, {(one["direction"], one["peer"]): one["sockets"] for one in found["peers"]})

    def test_a_process_is_named(self):
        found = listing("--pod", pod_name(self.busy), "--state", "listen")
        (server,) = [one for one in found["sockets"] if one["local"].endswith(":7000")]
        self.assertEqual(self.dialer.pid, server["process"]["pid"])

    def test_the_tables_say_the_same(self):
        done = run_closewatch("scan", *STANDALONE, "--sockets", "--pod", pod_name(self.busy), "--by", "peer")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("17 of 17 (100.0%)", done.stdout.splitlines()[1])
        done = run_closewatch("scan", *STANDALONE, "--sockets", "--pod", pod_name(self.busy), "--state", "listen,established")
        self.assertEqual(["NAMESPACE", "POD", "STATE", "LOCAL", "REMOTE", "DIRECTION", "RECV-Q", "SEND-Q", "PROCESS"],
                         done.stdout.splitlines()[0].split())

    def test_all_pods_are_asked_where_none_is_named(self):
        found = listing("--by", "peer")
        first = found["peers"][0]
        self.assertEqual((self.busy.name, 17), (first["pod"], first["ports_used"]))
        self.assertNotIn(self.idle.name, {one["pod"] for one in found["peers"]})

    def test_a_pod_without_sockets_is_an_answer(self):
        found = self.assert_valid("connections", listing("--pod", pod_name(self.idle), "--state", "established"))
        self.assertEqual((0, [], []), (found["total"], found["sockets"], found["not_listed"]))

    def test_a_pod_that_is_not_there_is_a_failure(self):
        done = run_closewatch("scan", *STANDALONE, "--sockets", "--by", "peer", "--pod", "netns/nobody")
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertIn("nobody", done.stderr)

    def test_mistakes_are_usage_errors_that_name_what_is_known(self):
        for arguments in (("--state", "established,open"), ("--state", ""), ("--state", "established,"), ("--state", "ESTAB")):
            done = run_closewatch("scan", "--sockets", *arguments)
            self.assertEqual((2, ""), (done.returncode, done.stdout), arguments)
        for arguments in (("--sockets", "--state", "open"), ("--state", "open")):
            done = run_closewatch("scan", *arguments)
            self.assertEqual(2, done.returncode)
            for state in STATES.values():
                self.assertIn(state, done.stderr)
        for arguments in (("--by", "peer"), ("--sockets", "--by", "port")):
            self.assertEqual(2, run_closewatch("scan", *arguments).returncode, arguments)

    def test_without_the_privileges_of_inet_diag_it_says_so_whatever_the_engine(self):
        for capability in ("sys_admin", "sys_ptrace"):
            for engine in ("inet_diag", "bpf", "procfs", "auto"):
                with self.subTest(capability=capability, engine=engine):
                    done = run_closewatch("scan", *STANDALONE, "--sockets", "--by", "peer", "--scan.engine", engine,
                                          prefix=without(capability))
                    self.assertEqual((1, ""), (done.returncode, done.stdout))
                    self.assertIn("inet_diag", done.stderr)
                    self.assertIn(f"CAP_{capability.upper()}", done.stderr)

    def test_no_other_engine_is_taken(self):
        for engine in ("bpf", "procfs"):
            found = listing("--pod", pod_name(self.busy), "--state", "established", "--scan.engine", engine)
            self.assertGreaterEqual(found["total"], 34)

    def test_ports_are_used_by_states_that_nobody_asked_for(self):
        with Namespace("half", close_wait=2, connections=4) as half:  # by turns over IPv4 and IPv6
            found = listing("--pod", pod_name(half), "--by", "peer", "--state", "fin_wait2")
        self.assertEqual([({"fin_wait2": 1}, 3)] * 2, [(one["states"], one["ports_used"]) for one in found["peers"]])


class PodsTest(unittest.TestCase):
    """Pods that are not listed: what is said of them, and with what exit status."""

    @classmethod
    def setUpClass(cls):
        cls.many, cls.usual, cls.host = (str(uuid.uuid4()) for _ in range(3))
        # More network namespaces than are looked at with inet_diag.
        cls.pods = cls.enterClassContext(RunningPods("connections", [cls.many] * 33 + [cls.usual]))
        cls.pods.start(cls.host, host_network=True)

    def ask(self, *arguments):
        """Sockets of all pods, or of some."""
        return run_closewatch("scan", "--sockets", "--by", "peer", "--output", "json", "--scan.engine", "inet_diag", "--pods.discovery",
                              "kubernetes", "--paths.cgroup", self.pods.cgroup, *arguments)

    def test_an_answer_without_one_of_them_is_not_whole(self):
        done = self.ask()
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertEqual({(self.many, "over_limit"), (self.host, "host_network")},
                         {(one["pod"], one["reason"]) for one in json.loads(done.stdout)["not_listed"]})

    def test_one_of_the_hosts_network_is_no_answer_where_it_is_asked_for(self):
        done = self.ask("--pod", f"unknown/{self.host}")
        self.assertEqual(1, done.returncode)
        self.assertIn("is not listed (host_network)", done.stderr)


if __name__ == "__main__":
    unittest.main()
