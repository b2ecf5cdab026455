# SPDX-License-Identifier: Apache-2.0
"""Programs that make real mistakes, in leaks/, and whether closewatch tells which.

What is true comes from `ss`; why it is true is what each program says of its mistake.
"""

import collections
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (DEADLINE_SECONDS, HERE, Namespace, cleaned_up, require, run,  # noqa: E402
                   run_closewatch, wait_for)

LEAKS = HERE / "leaks"
PYTHON = (sys.executable, "-B")
# As little as it can be: it is the sockets that matter.
JAVA = ("java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
LAUNCHERS = {".java": JAVA, ".mjs": ("node",), ".py": PYTHON}
COUNT = 3  # sockets that each program leaks
ANSWER_BYTES = 60000  # of closing_server.py, the long one
REQUEST_BYTES = 20000  # of each of leaving_clients.py
# Programs read ahead; how far is their own business.
PART_OF_ANSWER = range(1, ANSWER_BYTES)
PART_OF_REQUEST = range(1, REQUEST_BYTES)

Leaked = collections.namedtuple("Leaked", "owes unread_bytes")


class Program(contextlib.ExitStack):
    """A program of leaks/ inside a namespace; it ends with its standard input."""

    def __init__(self, namespace, name, *arguments):
        super().__init__()
        launcher = LAUNCHERS[pathlib.Path(name).suffix]
        self.comm = pathlib.Path(launcher[0]).name  # the name by which the kernel knows it
        self._file = name
        self._command = [*namespace.entering(), *launcher, str(LEAKS / name),
                         *map(str, arguments)]
        self._process = None

    def __enter__(self):
        super().__enter__()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.enter_context(cleaned_up(self.stop))
        return self

    @property
    def pid(self):
        """`ip netns exec` becomes the program that it runs."""
        return self._process.pid

    def line(self):
        """The next line of its output; that it has gone is a failure."""
        if not (line := self._process.stdout.readline()):
            raise AssertionError(f"{self._file} ended before it had leaked")
        return line.rstrip("\n")

    def ask(self, line):
        """Sends a line and waits for one."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.line()

    def stop(self):
        """Safe to call again."""
        if self._process.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.close()
        try:
            self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self._file} does not end with its input") from None
        finally:
            self._process.stdout.close()


def scan(namespace, *arguments):
    """What `scan` prints of one namespace."""
    done = run_closewatch("scan", "--pods.discovery", "standalone",
                          "--pod", f"netns/{namespace.name}", *arguments)
    if done.returncode != 0:
        raise AssertionError(f"scan ended with {done.returncode}: {done.stderr}")
    return done.stdout


def scan_pod(namespace):
    """The diagnosis of the one pod that was asked for."""
    (pod,) = json.loads(scan(namespace, "--output", "json"))["pods"]
    return pod["close_wait"]


def scan_sockets(namespace):
    """Its sockets in CLOSE_WAIT, one by one."""
    return json.loads(scan(namespace, "--sockets", "--output", "json"))


def scan_table(namespace):
    """What an operator reads: column -> word, and the words of the row."""
    header, row, *_ = [line.split() for line in scan(namespace).splitlines()]
    return dict(zip(header, row)), row


def unmapped(endpoint):
    """Java's sockets are all of IPv6; a v4-mapped address is the IPv4 address."""
    return re.sub(r"^\[::ffff:([\d.]+)\]", r"\1", endpoint)


def leaked(namespace):
    """The sockets in CLOSE_WAIT as `ss` shows them: (local, remote) -> Leaked."""
    sockets = {}
    for line in run("ss", "-N", namespace.name, "-tanHe", "state", "close-wait").splitlines():
        queue, _, local, remote, *_ = line.split()
        accepted = re.search(r"\bino:(\d+)", line)[1] != "0"
        owed = "read" if int(queue) > 0 else "close"
        # An end-of-file that has not been read counts as a byte.
        sockets[unmapped(local), unmapped(remote)] = Leaked(
            owed if accepted else "accept", max(int(queue) - 1, 0))
    return sockets


def counts_with(*verdicts):
    """A container's six counts: COUNT for each (direction, owes), the others zero."""
    return {direction: {owes: COUNT if (direction, owes) in verdicts else 0
                        for owes in ("accept", "read", "close")}
            for direction in ("inbound", "outbound")}


def six_counts(close_wait):
    """Those of the only container, of which a named namespace knows nothing."""
    (container,) = close_wait["containers"]
    if container["container"] != "unknown":
        raise AssertionError(f"a container in a named namespace: {container}")
    return {direction: container[direction] for direction in ("inbound", "outbound")}


def peers(close_wait):
    """Peers without what their age makes of them."""
    return [(row["direction"], row["peer"], row["sockets"]) for row in close_wait["peers"]]


class RealLeaksTest(unittest.TestCase):
    """Each test has a network namespace, and in it a leaking program and its other end."""

    @classmethod
    def setUpClass(cls):
        require("ip", "ss", "java")

    def setUp(self):
        self.namespace = self.enterContext(Namespace("leaks"))

    def start(self, name, *arguments):
        """A program that ends with the test."""
        return self.enterContext(Program(self.namespace, name, *arguments))

    def leak_from_client(self, name, idle=False):
        """Runs a client that leaks; returns it and its peer. The server closes by itself, but for
        connections that are `idle`: those when the client has done with them."""
        server = self.start("closing_server.py")
        port = int(server.line())
        client = self.start(name, port, COUNT)
        self.assertEqual("ready", client.line())
        if idle:
            self.assertEqual("closed", server.ask("close"))
        return client, f"127.0.0.1:{port}"

    def leak_from_server(self, name):
        """Runs a server that leaks, whose clients have left; returns it and their address."""
        server = self.start(name)
        clients = self.start("leaving_clients.py", int(server.line()), COUNT)
        self.assertEqual("ready", clients.line())
        return server, "127.0.0.1"

    def look(self, is_true, *scans):
        """The truth, for which it waits, and what the scans say of it. The programs may read a
        little more at any time, so the truth must be the same before and after."""
        def steady():
            before = leaked(self.namespace)
            if not is_true(before):
                return None
            answers = [scan_of(self.namespace) for scan_of in scans]
            return (before, *answers) if leaked(self.namespace) == before else None
        try:
            return wait_for(steady, f"the leak in {self.namespace.name} that was to be")
        except AssertionError as error:
            raise AssertionError(f"{error}; ss shows {leaked(self.namespace)}") from None

    def assert_verdict(self, direction, owes, program, peer, unread=(0,)):
        """Everything that `scan` prints is what `ss` shows and what the mistake of `program` is.
        `unread` has the numbers of bytes that may wait in a socket."""
        def is_true(sockets):
            return len(sockets) == COUNT and all(
                socket.owes == owes and socket.unread_bytes in unread
                for socket in sockets.values())
        truth, pod, listed, (columns, row) = self.look(is_true, scan_pod, scan_sockets, scan_table)
        unread_bytes = {ends: socket.unread_bytes for ends, socket in truth.items()}

        self.assertEqual((COUNT, sum(unread_bytes.values())),
                         (pod["sockets"], pod["unread_bytes"]))
        self.assertEqual(counts_with((direction, owes)), six_counts(pod))
        self.assertEqual([(direction, peer, COUNT)], peers(pod))

        self.assertEqual((True, COUNT, False), (listed["visible"], listed["total"], listed["cut"]))
        self.assertEqual(unread_bytes, {(socket["local"], socket["remote"]): socket["unread_bytes"]
                                        for socket in listed["sockets"]})
        # What waits to be accepted is no process's yet.
        process = None if owes == "accept" else {"pid": program.pid, "comm": program.comm}
        for socket in listed["sockets"]:
            self.assertEqual((direction, owes, process),
                             (socket["direction"], socket["owes"], socket["process"]))
            self.assertEqual(owes == "accept", socket["inode"] == 0)

        self.assertEqual(["netns", self.namespace.name], row[:2])
        self.assertEqual((str(COUNT), owes, direction),
                         (columns["CLOSE_WAIT"], columns["OWES"], columns["DIRECTION"]))
        self.assertIn(peer, row)

    def test_an_error_that_keeps_its_connection(self):
        leak = self.leak_from_client("http_client_error.py")
        self.assert_verdict("outbound", "close", *leak)

    def test_a_pool_that_nobody_looks_at(self):
        leak = self.leak_from_client("http_client_pool.py", idle=True)
        self.assert_verdict("outbound", "read", *leak)

    def test_an_answer_of_which_the_status_was_enough(self):
        leak = self.leak_from_client("http_client_status.py")
        self.assert_verdict("outbound", "read", *leak, unread=PART_OF_ANSWER)

    def test_an_answer_that_nobody_wants(self):
        leak = self.leak_from_client("http_client_forget.py")
        self.assert_verdict("outbound", "read", *leak, unread=[ANSWER_BYTES])

    def test_curl_with_connections_that_no_transfer_needs(self):
        leak = self.leak_from_client("curl_multi.py", idle=True)
        self.assert_verdict("outbound", "read", *leak)

    def test_java_with_a_stream_thrown_away(self):
        leak = self.leak_from_client("HttpClientStream.java")
        self.assert_verdict("outbound", "read", *leak, unread=PART_OF_ANSWER)

    def test_java_with_a_socket_that_stays_in_a_map(self):
        leak = self.leak_from_client("SocketSession.java")
        self.assert_verdict("outbound", "close", *leak)

    def test_a_server_that_one_client_holds_up(self):
        leak = self.leak_from_server("one_thread_server.py")
        self.assert_verdict("inbound", "accept", *leak, unread=[REQUEST_BYTES])

    def test_a_server_whose_workers_are_all_blocked(self):
        leak = self.leak_from_server("blocked_workers.py")
        self.assert_verdict("inbound", "read", *leak, unread=PART_OF_REQUEST)

    def test_a_server_that_keeps_those_who_left(self):
        leak = self.leak_from_server("chat_server.py")
        self.assert_verdict("inbound", "close", *leak)

    def test_two_mistakes_in_one_place_are_told_apart(self):
        client, client_peer = self.leak_from_client("http_client_error.py")
        _, server_peer = self.leak_from_server("one_thread_server.py")
        _, pod, listed = self.look(lambda sockets: len(sockets) == 2 * COUNT,
                                   scan_pod, scan_sockets)
        self.assertEqual(counts_with(("outbound", "close"), ("inbound", "accept")),
                         six_counts(pod))
        self.assertEqual({("outbound", client_peer, COUNT), ("inbound", server_peer, COUNT)},
                         set(peers(pod)))
        owners = {(socket["owes"], socket["process"] and socket["process"]["pid"])
                  for socket in listed["sockets"]}
        self.assertEqual({("close", client.pid), ("accept", None)}, owners)


if __name__ == "__main__":
    unittest.main()
