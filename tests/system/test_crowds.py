# SPDX-License-Identifier: Apache-2.0
"""Clients that want the agent's memory, its descriptors or its time, beside those that only want their answer.

Memory is that of the agent's cgroup, so what the kernel keeps for its connections counts: of cgroup v2 `memory.peak`, of v1 the
peaks of `memory` and of `memory.kmem.tcp`. CLOSEWATCH_CROWD_SECONDS says how long the crowd of all of them stays.
"""

import contextlib
import itertools
import os
import pathlib
import re
import resource
import socket
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import DEADLINE_SECONDS, Agent, Namespace, free_port, parse_metrics, select, wait_for  # noqa: E402
from clients import Ipv6Network, begun, connected, question, reset, selectable, whole_answer  # noqa: E402
from memory_cgroup import MemoryCgroup  # noqa: E402
from running_pods import RunningPods  # noqa: E402

PODS = 300
MOST_MEMORY = 48 << 20
CROWD_SECONDS = int(os.environ.get("CLOSEWATCH_CROWD_SECONDS", "8"))


def sanitized():
    """Whether the agent takes many times its memory for what it checks."""
    return b"__asan_init" in pathlib.Path(os.environ["CLOSEWATCH_BIN"]).read_bytes()


class Crowd:
    """Threads that do the same again and again until it is over; connections that are cut are no surprise to them."""

    def __init__(self):
        self.over = threading.Event()
        self._threads = []

    def add(self, do):
        """One more."""
        def again():
            while not self.over.is_set():
                with contextlib.suppress(OSError, AssertionError):
                    do()
        self._threads.append(threading.Thread(target=again, daemon=True))
        self._threads[-1].start()

    def end(self):
        """Until all have ended."""
        self.over.set()
        for thread in self._threads:
            thread.join()


class Crowded(unittest.TestCase):
    """An agent in a cgroup of its own, and the scrapes of somebody who means well."""

    @classmethod
    def setUpClass(cls):
        cls.pods = cls.enterClassContext(RunningPods("crowd", [str(uuid.uuid4()) for _ in range(PODS)]))

    def serve(self, *extra, prefix=()):
        """The agent."""
        self.cgroup = self.enterContext(MemoryCgroup())
        agent = self.enterContext(Agent("--pods.discovery", "kubernetes", "--paths.cgroup", self.pods.cgroup, *extra,
                                        prefix=(*self.cgroup.entering(), *prefix)))
        agent.wait_until_ready()
        return agent

    def scrape(self, agent, client="127.0.0.1"):
        """The metrics, whole."""
        with connected(agent.port, client) as connection:
            connection.sendall(question("/metrics", "Accept-Encoding: gzip"))
            status, body = whole_answer(connection)
        self.assertEqual(200, status)
        metrics = parse_metrics(body.decode())
        self.assertEqual(PODS, len(select(metrics, "closewatch_pod_visible")))
        return metrics

    def assert_no_scan_failed(self, agent, metrics):
        """But for names, which this machine has none of."""
        errors = {dict(labels)["stage"]: count for labels, count in select(metrics, "closewatch_scan_errors_total").items()}
        self.assertEqual({0}, {count for stage, count in errors.items() if stage != "metadata"}, (errors, agent.log))

    def assert_bounded(self, most=MOST_MEMORY):
        """The memory of all that was."""
        peak = self.cgroup.peak()
        print(f"  {self.id().rpartition('.')[2]}: {peak / 2**20:.1f} MiB at most", file=sys.stderr)
        if not sanitized():
            self.assertLess(peak, most)


class CrowdTest(Crowded):
    """One crowd after the other."""

    def test_connections_that_read_everything_and_idle(self):
        agent = self.serve()
        paths = itertools.cycle(itertools.product(("/metrics", "/api/v1/pods", "/", "/api/v1/pods.tsv"), ("", "gzip")))
        with contextlib.ExitStack() as kept:
            for number, (path, coding) in zip(range(1000), paths):
                connection = kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 20}"))
                connection.sendall(question(path, f"Accept-Encoding: {coding}"))
                self.assertEqual(200, whole_answer(connection)[0])
            self.scrape(agent)
            self.assert_bounded()

    def test_connections_that_read_nothing(self):
        agent = self.serve()
        paths = itertools.cycle(("/metrics", "/api/v1/pods", "/", "/api/v1/pods.tsv"))
        with contextlib.ExitStack() as kept:
            # What one client may have, so that there is room for others.
            for _, path in zip(range(200), paths):
                connection = kept.enter_context(connected(agent.port, "127.0.1.1", receive_buffer=2048))
                with contextlib.suppress(OSError):
                    connection.sendall(question(path))
            for _ in range(20):
                self.scrape(agent)
            self.assert_bounded()

    def test_what_is_being_answered_is_not_cut(self):
        agent = self.serve()
        slow = [self.enterContext(connected(agent.port, f"127.0.1.{1 + number}", receive_buffer=2048)) for number in range(20)]
        for connection in slow:
            connection.sendall(question("/metrics"))
        for connection in slow:
            self.assertTrue(connection.recv(1, socket.MSG_PEEK))  # it has begun
        with contextlib.ExitStack() as kept:
            for number in range(600):
                kept.enter_context(connected(agent.port, f"127.0.2.{1 + number % 50}"))
            for connection in slow:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                status, body = whole_answer(connection)
                self.assertEqual((200, True), (status, body.endswith(b"\n")))

    def test_slow_readers_of_several_addresses_leave_room_for_others(self):
        agent = self.serve()
        with contextlib.ExitStack() as kept:
            slow = []
            for number in range(400):
                slow.append(kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 8}", receive_buffer=2048)))
                with contextlib.suppress(OSError):
                    slow[-1].sendall(question("/metrics"))
            wait_for(lambda: len(begun(slow)) >= 48, "answers to slow readers")
            # In the ten seconds that an answer may take, 64 at a time, they would keep it waiting for longer than it waits.
            self.scrape(agent, "127.0.9.1")
            self.assert_bounded()

    def test_slow_readers_of_more_addresses_than_connections_make_room(self):
        agent = self.serve()
        with contextlib.ExitStack() as kept:
            slow = []
            for number in range(500):
                slow.append(kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 250}", receive_buffer=2048)))
                slow[-1].sendall(question("/metrics"))
            wait_for(lambda: len(begun(slow)) >= 60, "answers to slow readers")
            # In the ten seconds that an answer may take, 64 at a time, they would keep it waiting for longer than it waits.
            self.scrape(agent, "127.0.9.1")
            self.assert_bounded()

    def test_small_answers_wait_for_nobody(self):
        """A probe, while a scrape waits for its turn behind those of whoever reads nothing."""
        agent = self.serve()

        def is_overtaken():
            with contextlib.ExitStack() as kept:
                for number in range(200):
                    kept.enter_context(connected(agent.port, f"127.0.1.{1 + number}", receive_buffer=2048)).sendall(question("/metrics"))
                scrape, probe = [kept.enter_context(connected(agent.port, client)) for client in ("127.0.9.1", "127.0.9.2")]
                scrape.sendall(question("/metrics"))
                probe.sendall(question("/healthz"))
                self.assertEqual((200, b"ok\n"), whole_answer(probe))
                overtaken = not selectable(scrape)
                self.assertEqual(200, whole_answer(scrape)[0])
                return overtaken
        wait_for(is_overtaken, "a probe that is answered before a scrape that came before it")

    def test_it_ends_well_while_answers_wait_for_their_turn(self):
        agent = self.serve()
        with contextlib.ExitStack() as kept:
            slow = [kept.enter_context(connected(agent.port, f"127.0.1.{1 + number}", receive_buffer=2048)) for number in range(250)]
            for connection in slow:
                connection.sendall(question("/metrics"))
            wait_for(lambda: len(begun(slow)) >= 60, "answers to slow readers")
            agent.stop()
        self.assertEqual(0, agent.process.returncode, agent.log)

    def test_what_nobody_takes_leaves_memory_with_its_connection(self):
        """Answers that the kernel takes whole, to clients that read nothing, stay, or go."""
        agent = self.serve()
        packed, last = ("Accept-Encoding: gzip",), ("Connection: close",)
        for headers in ((), packed, last, packed + last):
            with self.subTest(headers), contextlib.ExitStack() as kept:
                for number in range(600):
                    client = kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 40}", receive_buffer=2048))
                    with contextlib.suppress(OSError):
                        client.sendall(question(("/page/page.js", "/api/v1/pods.tsv", "/")[number % 3], *headers))
                self.scrape(agent, "127.0.9.1")
        self.assert_bounded()

    def test_whoever_takes_its_answer_however_slowly_is_not_cut(self):
        """Beside others who take nothing of theirs, and for whom others wait."""
        agent = self.serve()
        with contextlib.ExitStack() as kept:
            reader = kept.enter_context(connected(agent.port, "127.0.8.1", receive_buffer=2048))
            reader.sendall(question("/metrics"))
            for number in range(200):
                with contextlib.suppress(OSError):
                    kept.enter_context(connected(agent.port, f"127.0.1.{1 + number}", receive_buffer=2048)).sendall(question("/metrics"))
            received = bytearray()
            scrapes = Crowd()
            scrapes.add(lambda: self.scrape(agent, "127.0.9.1") and scrapes.over.set())
            while not scrapes.over.is_set():
                received += reader.recv(500)
                time.sleep(0.05)
            scrapes.end()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", received)[1]) + received.index(b"\r\n\r\n") + 4
            while len(received) < length:
                part = reader.recv(1 << 20)
                self.assertTrue(part, f"{len(received)} of {length}")
                received += part

    def test_who_would_never_have_taken_its_answer_makes_room(self):
        agent = self.serve()
        slow, begun_to_take, crowd = [], set(), Crowd()

        def take_some():
            for connection in filter(selectable, slow):
                with contextlib.suppress(ConnectionError):
                    if connection.recv(500):
                        begun_to_take.add(connection)
            crowd.over.wait(0.05)
        with contextlib.ExitStack() as kept:
            for number in range(600):
                connection = kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 250}", receive_buffer=2048))
                connection.sendall(question("/metrics"))
                slow.append(connection)
            crowd.add(take_some)
            kept.callback(crowd.end)
            wait_for(lambda: len(begun_to_take) >= 60, "answers to slow readers")
            # They have all connections, and none of them stalls: 64 at a time, for ten seconds each, they would keep it waiting for
            # longer than it waits.
            self.scrape(agent, "127.0.9.1")

    def test_whoever_asks_too_often_at_once_is_told(self):
        agent = self.serve()
        slow = [self.enterContext(connected(agent.port, f"127.0.1.{1 + number % 2}", receive_buffer=2048)) for number in range(90)]
        for connection in slow:
            connection.sendall(question("/metrics"))
        refused = wait_for(lambda: begun(slow, 503), "a refusal")
        status, body = whole_answer(refused[0])
        self.assertEqual((503, b"too many of this address are being answered; ask again\n"), (status, body))

    def test_half_sent_requests(self):
        agent = self.serve()
        starts = itertools.cycle((b"G", b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 8000, b"GET / HTTP/1.1\r\nHost: a\r\n",
                                  b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"b" * 999,
                                  b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"c" * 7000))
        with contextlib.ExitStack() as kept:
            for number, start in zip(range(1000), starts):
                kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 200}")).sendall(start)
            for _ in range(5):
                self.scrape(agent)
            self.assert_bounded()

    def test_many_requests_at_once_on_one_connection(self):
        agent = self.serve()
        count = 400
        requests = b"".join(question("/metrics", "Accept-Encoding: gzip", f"X: {number}") for number in range(count))
        silent = self.enterContext(connected(agent.port, "127.0.1.1", receive_buffer=2048))
        silent.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            silent.send(requests)  # and reads nothing
        with connected(agent.port, "127.0.1.2") as connection:
            sender = threading.Thread(target=connection.sendall, args=(requests,))
            sender.start()
            received = b""
            while received.count(b"HTTP/1.1 200 OK") < count:
                part = connection.recv(1 << 20)
                self.assertTrue(part, received.count(b"HTTP/1.1 200 OK"))
                received += part
            sender.join()
        self.scrape(agent)
        self.assert_bounded()

    def test_connections_that_are_reset(self):
        agent = self.serve()
        for number in range(3000):
            connection = connected(agent.port, f"127.0.1.{1 + number % 100}")
            with contextlib.suppress(OSError):
                if number % 3:
                    connection.sendall(question(("/metrics", "/api/v1/pods")[number % 2]))
                if number % 3 == 2:
                    connection.recv(1)
            reset(connection)
        self.assert_no_scan_failed(agent, self.scrape(agent))
        self.assert_bounded()

    def test_many_names_and_paths(self):
        agent = self.serve()
        connection = self.enterContext(connected(agent.port))
        for number in range(2000):
            for status, path, host in ((421, "/", f"{number}.evil.example"), (404, f"/api/v1/pods/{number}" + "/a" * 3000, "a"),
                                       (404, f"/api/v1/pods/{number}/{'b' * 5000}/sockets", "a"), (404, f"/{number}" + "%2e" * 2000, "a")):
                connection.sendall(question(path, host=host))
                self.assertEqual(status, whole_answer(connection)[0], path)
        self.scrape(agent)
        self.assert_bounded()

    def test_few_descriptors_are_enough_for_scans_and_scrapes(self):
        agent = self.serve(prefix=("prlimit", "--nofile=64:64"))
        with contextlib.ExitStack() as kept:
            for number in range(100):
                connection = kept.enter_context(connected(agent.port, f"127.0.1.{1 + number % 7}"))
                connection.sendall(question("/metrics"))
                self.assertEqual(200, whole_answer(connection)[0])
            for _ in range(5):
                metrics = agent.fresh_metrics()
                self.assertEqual({1}, set(select(metrics, "closewatch_pod_visible").values()))
            self.assert_no_scan_failed(agent, metrics)
        self.assertFalse([line for line in agent.log if "Too many open files" in line])

    def test_all_of_them_at_once(self):
        # The crowd leaves 100,000 sockets in TIME_WAIT in the kernel's one table, which inet_diag walks for each pod.
        agent = self.serve("--scan.engine", "bpf")
        crowd = Crowd()
        addresses = itertools.cycle([f"127.0.3.{number}" for number in range(1, 120)])

        def idle():
            with contextlib.ExitStack() as kept:
                for _ in range(100):
                    connection = kept.enter_context(connected(agent.port, next(addresses)))
                    connection.sendall(question("/api/v1/pods", "Accept-Encoding: gzip"))
                    whole_answer(connection)

        def slow():
            with contextlib.ExitStack() as kept:
                for _ in range(30):
                    kept.enter_context(connected(agent.port, "127.0.4.1", receive_buffer=2048)).sendall(question("/"))
                crowd.over.wait(5)

        def drip():
            with connected(agent.port, "127.0.4.2") as connection:
                for byte in question("/metrics", "X: " + "a" * 1000):
                    connection.sendall(bytes([byte]))
                    crowd.over.wait(0.1)

        def connect():
            connected(agent.port, next(addresses)).close()
            crowd.over.wait(0.001)  # else nobody else in this process comes to anything

        def be_wrong():
            with connected(agent.port, next(addresses)) as connection:
                connection.sendall(os.urandom(4096))
                connection.recv(4096)

        (uid, *_) = [dict(labels)["pod"] for labels in select(self.scrape(agent), "closewatch_pod_visible")]

        def look_up():
            with connected(agent.port, next(addresses)) as connection:
                connection.sendall(question(f"/api/v1/pods/unknown/{uid}/sockets"))
                whole_answer(connection)

        for do in (idle, slow, drip, connect, be_wrong, look_up):
            crowd.add(do)
        scrapes, times = 0, set()
        try:
            end = time.monotonic() + CROWD_SECONDS
            while time.monotonic() < end or len(times) < 3:
                metrics = self.scrape(agent)
                scrapes += 1
                times |= set(select(metrics, "closewatch_scan_timestamp_seconds").values())
                time.sleep(0.2)
        finally:
            crowd.end()
        self.assert_no_scan_failed(agent, metrics)
        print(f"  {scrapes} scrapes of {len(times)} scans, all whole", file=sys.stderr)
        self.assert_bounded()


class Ipv6CrowdTest(Crowded):
    """Whoever has one address of an IPv6 network has them all, and may have neighbours in it."""

    def serve_both(self):
        """The agent at 127.0.0.1 and [::1], and its port there."""
        network = self.enterContext(Ipv6Network())
        port = free_port()
        return self.serve("--web.listen-address", f"[::1]:{port}"), port, network

    def test_a_network_is_one_client(self):
        agent, port, network = self.serve_both()
        other = self.enterContext(Ipv6Network())
        slow = [self.enterContext(connected(port, (network, other)[number % 2].address(1 + number), receive_buffer=2048))
                for number in range(90)]
        for connection in slow:
            connection.sendall(question("/metrics"))
        refused = wait_for(lambda: begun(slow, 503), "a refusal")
        self.assertEqual(503, whole_answer(refused[0])[0])
        self.scrape(agent, "127.0.9.1")

    def test_an_address_leaves_room_for_its_neighbours(self):
        _, port, network = self.serve_both()
        slow = [self.enterContext(connected(port, network.address(1), receive_buffer=2048)) for number in range(90)]
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(question("/metrics"))
        wait_for(lambda: len(begun(slow)) >= 48, "as many answers as one may have")
        with connected(port, network.address(2)) as neighbour:
            neighbour.sendall(question("/metrics"))
            self.assertEqual(200, whole_answer(neighbour)[0])

    def test_many_addresses_of_one_network_push_nobody_else_out(self):
        agent, port, network = self.serve_both()
        others = [self.enterContext(connected(agent.port, f"127.0.1.{1 + number}")) for number in range(10)]
        for connection in others:
            connection.sendall(question("/healthz"))
            self.assertEqual(200, whole_answer(connection)[0])
        for number in range(200):
            self.enterContext(connected(port, network.address(1 + number)))
        with connected(port, network.address(1000)) as last:  # all before it have been let in, or cut
            last.sendall(question("/healthz"))
            self.assertEqual(200, whole_answer(last)[0])
        for connection in others:
            connection.sendall(question("/healthz"))
            self.assertEqual(200, whole_answer(connection)[0])


class RefusedTest(unittest.TestCase):
    """Requests that are none, or too large, are told so before the connection ends."""

    @classmethod
    def setUpClass(cls):
        cls.namespace = cls.enterClassContext(Namespace("refused"))
        cls.agent = cls.enterClassContext(Agent())
        cls.agent.wait_until_ready()

    def status_of(self, request):
        """What comes to a client that sends all of it before it reads."""
        with connected(self.agent.port) as connection:
            connection.sendall(request)
            return whole_answer(connection)[0]

    def test_each_has_its_status(self):
        much = b"a" * 200_000
        for name, (status, request) in {
            "no HTTP": (400, b"hello\r\n\r\n"),
            "half a line": (400, b"GET /\r\n\r\n"),
            "the start of TLS": (400, bytes.fromhex("16030102000100") + b"\r\n\r\n" * 20),
            "no number for a length": (400, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
            "a broken chunk": (400, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "no Host": (400, b"GET /metrics HTTP/1.1\r\n\r\n"),
            "two Hosts": (400, b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            "no path": (400, b"GET metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
            "a large header": (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + much + b"\r\n\r\n"),
            "a long path": (431, b"GET /" + much + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
            "many headers": (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"),
            "a large body": (413, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + much),
            "a large chunk": (413, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + much),
            "a long extension": (413, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + much),
            "a later HTTP": (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
            "an old HTTP without a Host": (200, b"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            "another site's name": (421, question("/metrics", host="evil.example:10088")),
            "another site's name for a probe": (200, question("/healthz", host="evil.example")),
            "a whole address, as of a proxy": (200, question("http://a/metrics")),
            "a whole address without a path": (200, question("HTTP://a:10088")),
            "a whole address with a question": (200, question("https://a/metrics?x=http://b/")),
            "a whole address of another path": (404, question("http://a/nothing")),
            "a whole address, whose host counts": (421, question("http://evil.example/metrics")),
            "a whole address, whatever the header's host": (200, question("http://a/metrics", host="evil.example")),
            "a whole address without the header": (400, b"GET http://a/metrics HTTP/1.1\r\n\r\n"),
            "a whole address without a host": (400, question("http:///metrics")),
            "a whole address of another kind": (400, question("ftp://a/metrics")),
            "a whole address with a fragment": (400, question("http://a/metrics#x")),
        }.items():
            with self.subTest(name):
                self.assertEqual(status, self.status_of(request))

    def test_who_asks_before_it_sends_a_body_is_answered_at_once(self):
        with connected(self.agent.port) as connection:
            connection.sendall(question("/metrics", "Content-Length: 10", "Expect: 100-continue"))
            self.assertEqual(413, whole_answer(connection)[0])
            self.assertEqual(b"", connection.recv(1))
        with connected(self.agent.port) as connection:  # there is no body to ask for
            connection.sendall(question("/metrics", "Expect: 100-continue"))
            self.assertEqual(200, whole_answer(connection)[0])

    def test_a_client_that_has_said_all_is_answered(self):
        with connected(self.agent.port) as connection:
            connection.sendall(question("/metrics"))
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(200, whole_answer(connection)[0])
            self.assertEqual(b"", connection.recv(1))

    def test_head_is_what_get_is_without_the_body(self):
        for path in ("/metrics", "/", "/api/v1/pods", "/healthz", "/nothing"):
            for coding in ("", "gzip"):
                answers = [self.agent.get(path, {"Accept-Encoding": coding}, method) for method in ("GET", "HEAD")]
                self.assertEqual(answers[0].status, answers[1].status, path)
                self.assertEqual(b"", answers[1].body)
                self.assertEqual(answers[0].headers["Content-Type"], answers[1].headers["Content-Type"])
                self.assertGreater(int(answers[1].headers["Content-Length"]), 0)

    def test_a_name_can_be_allowed(self):
        with Agent("--web.allowed-hosts", "closewatch.example, *.nodes.example") as agent:
            for host, status in {"closewatch.example": 200, "a.nodes.example:443": 200, "evil.example": 421}.items():
                answer = agent.get("/metrics", {"Host": host})
                self.assertEqual(status, answer.status, host)
        self.assertIn(b"web.allowed-hosts", answer.body)


class LookUpTest(unittest.TestCase):
    """Many ask for the processes of a pod that has more descriptors than are looked at, and others for something else."""

    DESCRIPTORS, CLIENTS = 200_000, 8

    @classmethod
    def setUpClass(cls):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000  # of a process
        processes = -(-cls.DESCRIPTORS // most)
        cls.pod = cls.enterClassContext(Namespace("descriptors"))
        cls.pod.hold("hold_descriptors.py", processes, -(-cls.DESCRIPTORS // processes))
        cls.agent = cls.enterClassContext(Agent("--diagnosis.held_sockets", "off"))
        cls.agent.wait_until_ready()

    def ask(self, path):
        """What clients got who all asked for the same, and how many probes were answered before the first of them was."""
        clients = [self.enterContext(connected(self.agent.port, f"127.0.1.{1 + number}")) for number in range(self.CLIENTS)]
        probe = self.enterContext(connected(self.agent.port, "127.0.2.1"))
        for client in clients:
            client.sendall(question(path))
        probes = 0
        while True:
            probe.sendall(question("/healthz"))
            status = whole_answer(probe)[0]
            self.assertEqual(200, status)
            if any(map(selectable, clients)):
                break
            probes += 1
        return [whole_answer(client) for client in clients], probes

    def test_probes_are_answered_while_the_pod_is_looked_through(self):
        for path in (f"/api/v1/pods/netns/{self.pod.name}/sockets", f"/page/pods/netns/{self.pod.name}"):
            def asked():
                # A snapshot is looked through once: who asks again before the next is told at once.
                self.agent.fresh_metrics()
                answers, probes = self.ask(path)
                self.assertEqual({200}, {status for status, _ in answers})
                return probes > 0 and answers
            answers = wait_for(asked, f"a probe that is answered before {path} is")
            for _, body in answers:
                self.assertIn(b"it has more descriptors than are looked at", body)
        self.assert_sockets_are_there(answers)

    def assert_sockets_are_there(self, answers):
        """Without their processes, but whole; all have the same."""
        self.assertEqual(1, len({body for _, body in answers}))
        found = self.agent.get_json(f"/api/v1/pods/netns/{self.pod.name}/sockets")
        self.assertEqual((4, [None] * 4), (found["total"], [one["process"] for one in found["sockets"]]))
        self.assertEqual("it has more descriptors than are looked at", found["processes_missing"])


if __name__ == "__main__":
    unittest.main()
