# SPDX-License-Identifier: Apache-2.0
"""Where the agent listens: several addresses, a UNIX socket, one for probes alone, and those of the service manager."""

import contextlib
import http.client
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (DEADLINE_SECONDS, MOST_CONNECTIONS_OF_A_CLIENT, Agent, binary, free_port, run_closewatch, wait_for)  # noqa: E402


def status(port, path, host="127.0.0.1"):
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=DEADLINE_SECONDS)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


class AddressesTest(unittest.TestCase):
    """An agent at two ports, a UNIX socket and an address for probes."""

    def setUp(self):
        self.file = self.enterContext(tempfile.TemporaryDirectory()) + "/agent.sock"
        self.second, self.health = free_port(), free_port()
        self.agent = self.enterContext(Agent(
            "--web.listen-address", f"127.0.0.2:{self.second}", "--web.listen-address", f"unix:{self.file}",
            "--web.health-address", f"127.0.0.1:{self.health}"))
        self.agent.wait_until_ready()

    def test_every_one_answers(self):
        self.assertEqual(self.agent.get("/metrics").status, 200)
        self.assertEqual(status(self.second, "/metrics", "127.0.0.2"), 200)
        self.assertIn("closewatch_build_info", run_closewatch(
            "get", "--web.listen-address", f"unix:{self.file}", "/metrics").stdout)

    def test_get_and_top_prefer_the_unix_socket(self):
        nobody = f"127.0.0.1:{free_port()}"
        for addresses in (f"{nobody},unix:{self.file}", f"unix:/nonexistent,127.0.0.1:{self.agent.port}"):
            done = run_closewatch("get", "--web.listen-address", addresses, "/readyz")
            self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)
            done = run_closewatch("top", "--web.listen-address", addresses)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_probes_have_an_address_that_gives_nothing_else(self):
        self.assertEqual(status(self.health, "/healthz"), 200)
        self.assertEqual(status(self.health, "/readyz"), 200)
        for path in ("/", "/metrics", "/api/v1/pods", "/page/x", "/healthz/"):
            self.assertEqual(status(self.health, path), 404, path)

    def test_probes_come_in_however_many_are_at_the_door(self):
        crowd = [self.enterContext(contextlib.closing(socket.create_connection(("127.0.0.1", self.agent.port))))
                 for _ in range(600)]
        self.assertEqual(status(self.health, "/healthz"), 200)
        self.assertEqual(len(crowd), 600)

    def test_the_file_goes_with_the_agent(self):
        self.assertTrue(os.path.exists(self.file))
        self.agent.stop()
        self.assertFalse(os.path.exists(self.file))

    def test_all_addresses_share_one_bound(self):
        opened = [self.enterContext(contextlib.closing(socket.create_connection(address)))
                  for _ in range(300) for address in (("127.0.0.1", self.agent.port), ("127.0.0.2", self.second))]

        def kept():
            accepted = subprocess.run(["ss", "-Htnp", "state", "established"], check=True, text=True,
                                      capture_output=True, timeout=DEADLINE_SECONDS).stdout
            return sum(f"pid={self.agent.network()}," in line for line in accepted.splitlines())

        def is_over(connection):
            try:
                return connection.recv(1, socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        # With a bound each, none would have to go.
        wait_for(lambda: sum(map(is_over, opened)) >= len(opened) - MOST_CONNECTIONS_OF_A_CLIENT, "the agent to close those beyond its bound")
        self.assertLessEqual(kept(), MOST_CONNECTIONS_OF_A_CLIENT)


class ServiceManagerTest(unittest.TestCase):
    """Sockets that are handed over."""

    def serve(self, *sockets, pid="$$"):
        """The agent with these as descriptors 3 and on, and what it logs until it serves or ends."""
        numbers = [one.fileno() for one in sockets]
        shell = "".join(f"exec {3 + i}<&{number}; " for i, number in enumerate(numbers))
        process = subprocess.Popen(
            ["bash", "-c", f"{shell}export LISTEN_FDS={len(numbers)} LISTEN_PID={pid}; exec {binary()} serve "
             f"--pods.discovery=standalone --web.listen-address=127.0.0.1:0"],
            pass_fds=numbers, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        said = []
        for line in process.stderr:
            said.append(line)
            if "serves on" in line or " error " in line:
                break
        return said[-1]

    def listening(self, family, address):
        one = self.enterContext(socket.socket(family, socket.SOCK_STREAM))
        one.bind(address)
        one.listen()
        os.set_inheritable(one.fileno(), True)
        # The shell's own redirections are below.
        high = socket.socket(fileno=os.dup2(one.fileno(), 100 + one.fileno()))
        return self.enterContext(high)

    def test_of_tcp_stands_in_for_the_configured_ones(self):
        given = self.listening(socket.AF_INET, ("127.0.0.1", 0))
        port = given.getsockname()[1]
        self.assertIn(f"serves on 127.0.0.1:{port}/metrics", self.serve(given))
        self.assertEqual(status(port, "/healthz"), 200)

    def test_of_a_file_is_one_as_well(self):
        path = self.enterContext(tempfile.TemporaryDirectory()) + "/given.sock"
        self.assertIn(f"serves on unix:{path}/metrics", self.serve(self.listening(socket.AF_UNIX, path)))
        done = run_closewatch("get", "--web.listen-address", f"unix:{path}", "/healthz")
        self.assertEqual(done.stdout, "ok\n", done.stderr)

    def test_for_another_process_is_none_of_its_own(self):
        given = self.listening(socket.AF_INET, ("127.0.0.1", 0))
        self.assertNotIn(f":{given.getsockname()[1]}/", self.serve(given, pid=1))

    def test_that_does_not_listen_is_one_clear_line(self):
        datagrams = self.enterContext(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.assertRegex(self.serve(datagrams), re.compile("descriptor 3, which the service manager hands over, is no"))


if __name__ == "__main__":
    unittest.main()
