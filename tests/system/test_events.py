# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts of TCP in a pod's namespace, as Prometheus gets it. The truth is `nstat -az` in there."""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import STANDALONE, Agent, Namespace, by_label, require, run, run_closewatch, select, wait_for  # noqa: E402

NAME = "closewatch_pod_tcp_events_total"
# Told by default, and the kernel's own names.
EVENTS = {"listen_overflows": "TcpExtListenOverflows", "listen_drops": "TcpExtListenDrops",
          "retransmission_timeouts": "TcpExtTCPTimeouts", "failed_attempts": "TcpAttemptFails",
          "established_resets": "TcpEstabResets", "resets_sent": "TcpOutRsts"}

# A full accept queue, whose SYNs are sent again after a second; a refusal; a close with unread data.
TROUBLE = """
import socket, sys, time
full = socket.create_server(("127.0.0.1", 0), backlog=1)
dialled = []
for _ in range(5):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(full.getsockname())
    dialled.append(client)
for _ in range(3):
    try:
        socket.create_connection(("127.0.0.1", 1))
    except ConnectionRefusedError:
        pass
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
accepted, _ = server.accept()
client.send(b"unread")
accepted.recv(1, socket.MSG_PEEK)
accepted.close()
time.sleep(1.5)
"""


class EventsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("ip", "nstat")
        cls.namespace = cls.enterClassContext(Namespace("events"))
        run(*cls.namespace.entering(), sys.executable, "-c", TROUBLE)
        wait_for(lambda: cls.nstat() == cls.nstat(), "counters that stand still")

    @classmethod
    def nstat(cls):
        """Event -> count."""
        told = dict(re.findall(r"^(\w+) +(\d+)", run(*cls.namespace.entering(), "nstat", "-asz"), re.M))
        return {event: int(told[counter]) for event, counter in EVENTS.items()}

    def agent(self, *flags):
        agent = self.enterContext(Agent(*STANDALONE, "--diagnosis.held_sockets", "off", *flags))
        agent.wait_until_ready()
        return agent

    def told_by(self, agent):
        return by_label(select(agent.metrics(), NAME, pod=self.namespace.name), "event")

    def test_they_are_those_of_nstat_and_a_restart_changes_nothing(self):
        truth = self.nstat()
        self.assertTrue(all(truth.values()), truth)
        for _ in range(2):
            agent = self.agent()
            self.assertEqual(truth, self.told_by(agent))
            agent.close()

    def test_json_and_tsv_say_the_same(self):
        agent = self.agent()
        truth = self.nstat()
        (pod,) = [pod for pod in agent.get_json("/api/v1/pods")["pods"] if pod["pod"] == self.namespace.name]
        self.assertEqual(truth, pod["tcp_events"])
        header, *rows = [line.split("\t") for line in agent.get("/api/v1/pods.tsv").body.decode().splitlines() if line[0] != "#"]
        self.assertEqual("tcp_events", header[-1])
        (row,) = [row for row in rows if row[1] == self.namespace.name]
        self.assertEqual(" ".join(f"{event}/{count}" for event, count in truth.items()), row[-1])
        shown = f'<th scope="row">resets_sent</th><td class="number">{truth["resets_sent"]}</td>'
        wait_for(lambda: shown in agent.get(f"/page/pods/netns/{self.namespace.name}").body.decode(), "the page")
        (scanned,) = [pod for pod in json.loads(run_closewatch("scan", *STANDALONE, "-o", "json").stdout)["pods"]
                      if pod["pod"] == self.namespace.name]
        self.assertEqual(truth, scanned["tcp_events"])

    def test_the_configuration_says_which(self):
        agent = self.agent("--pods.tcp_events", "aborts_on_close,resets_sent")
        self.assertEqual({"aborts_on_close": 1, "resets_sent": self.nstat()["resets_sent"]}, self.told_by(agent))
        self.assertEqual({}, self.told_by(self.agent("--pods.tcp_events", "")))

    def test_metrics_can_be_without_them(self):
        agent = self.agent("--metrics.without", NAME)
        self.assertEqual({}, self.told_by(agent))
        (left_out,) = select(agent.metrics(), "closewatch_excluded_series", metric=NAME).values()
        self.assertGreaterEqual(left_out, len(EVENTS))


if __name__ == "__main__":
    unittest.main()
