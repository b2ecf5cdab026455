# SPDX-License-Identifier: Apache-2.0
"""The agent as a service of systemd: what it tells its manager, and what its unit leaves it."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import DEADLINE_SECONDS, Agent, binary, wait_for  # noqa: E402

UNIT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "closewatch.service"
MOST_EXPOSURE = 3.0


def child_of(pid):
    """The only one that it has."""
    (child,) = (int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split())
    return child


class ManagerTest(unittest.TestCase):
    """A manager is a socket that gets datagrams."""

    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = f"{directory}/notify"
        self.socket = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.socket.bind(path)
        self.socket.settimeout(DEADLINE_SECONDS)
        self.environment = ("env", f"NOTIFY_SOCKET={path}")

    def heard(self):
        return self.socket.recv(1000).decode()

    def test_hears_that_it_serves_and_that_it_ends(self):
        agent = self.enterContext(Agent(prefix=self.environment))
        self.assertEqual(self.heard(), "READY=1")
        self.assertEqual(agent.get("/healthz").status, 200)
        agent.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.heard(), "STOPPING=1")

    def test_hears_that_it_lives_as_often_as_it_wants(self):
        self.enterContext(Agent(prefix=(*self.environment, "WATCHDOG_USEC=200000")))
        self.assertEqual({self.heard() for _ in range(5)}, {"READY=1", "WATCHDOG=1"})

    def test_hears_nothing_of_an_agent_whose_scanner_or_network_hangs(self):
        for of_network in (False, True):
            with self.subTest(of_network=of_network), Agent(prefix=(*self.environment, "WATCHDOG_USEC=200000")) as agent:
                while self.heard() != "WATCHDOG=1":
                    pass
                hanging = child_of(agent.process.pid)
                if of_network:
                    hanging = child_of(hanging)
                os.kill(hanging, signal.SIGSTOP)
                try:
                    wait_for(self.is_silent, "silence")
                finally:
                    os.kill(hanging, signal.SIGCONT)
                    self.socket.settimeout(DEADLINE_SECONDS)

    def is_silent(self):
        """For five times as long as it may take."""
        self.socket.settimeout(0.5)
        try:
            self.heard()
        except TimeoutError:
            return True
        return False


class UnitTest(unittest.TestCase):
    """What systemd itself says of the unit."""

    def test_leaves_the_agent_little(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT], check=False,
                              capture_output=True, text=True, timeout=DEADLINE_SECONDS)
        exposure = re.search(r"Overall exposure level for closewatch.service: ([\d.]+)", done.stdout)
        self.assertLess(float(exposure[1]), MOST_EXPOSURE, done.stdout)

    def test_has_nothing_that_systemd_does_not_know(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        unit = directory / UNIT.name
        unit.write_text(re.sub(r"/usr/local/bin/closewatch", binary(), UNIT.read_text()))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False, capture_output=True,
                              text=True, timeout=DEADLINE_SECONDS)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
