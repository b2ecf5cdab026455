# SPDX-License-Identifier: Apache-2.0
"""`closewatch serve` as Prometheus, a browser, a careless client and an init system meet it."""

import contextlib
import errno
import gzip
import html.parser
import json
import os
import pathlib
import random
import re
import select as readiness
import signal
import socket
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (DEADLINE_SECONDS, MOST_CONNECTIONS_OF_A_CLIENT, STANDALONE, Agent, Namespace,  # noqa: E402
                   binary, by_label, cleaned_up, has_ended, pod_states, run_closewatch, select, wait_for)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The agent may close before it has read everything.
CLOSED_EARLY = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)


def families(text):
    """Names and types: what stays the same while the values go on."""
    return [line for line in text.splitlines() if line.startswith("# TYPE ")]


class Links(html.parser.HTMLParser):
    """The targets of a page's links."""

    def __init__(self):
        super().__init__()
        self.targets = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.targets.append(dict(attrs)["href"])


def exchange(port, request):
    """Sends raw bytes and reads until the agent closes."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except OSError as error:
            if error.errno not in CLOSED_EARLY:  # a timeout is none of these
                raise
        return answer


class HttpTest(unittest.TestCase):
    """One agent serves all of these: none of them may disturb another."""

    @classmethod
    def setUpClass(cls):
        cls.agent = cls.enterClassContext(Agent())
        cls.agent.wait_until_ready()

    def test_metrics_have_the_content_type_of_the_text_format(self):
        answer = self.agent.get("/metrics")
        self.assertEqual(200, answer.status)
        self.assertEqual(METRICS_TYPE, answer.headers["Content-Type"])

    def test_a_query_does_not_change_the_route(self):
        self.assertEqual(METRICS_TYPE, self.agent.get("/metrics?x=1").headers["Content-Type"])

    def test_metrics_are_plain_unless_gzip_is_asked_for(self):
        for accepted in (None, "identity", "deflate, br", "gzip;q=0", "gzip;q=0.00"):
            with self.subTest(accepted=accepted):
                headers = {"Accept-Encoding": accepted} if accepted else {}
                answer = self.agent.get("/metrics", headers)
                self.assertIsNone(answer.headers["Content-Encoding"])
                self.assertTrue(answer.body.startswith(b"# HELP "))

    def test_gzip_carries_the_same_families(self):
        plain = self.agent.get("/metrics")
        packed = self.agent.get("/metrics", {"Accept-Encoding": "gzip"})
        self.assertEqual("gzip", packed.headers["Content-Encoding"])
        self.assertEqual(METRICS_TYPE, packed.headers["Content-Type"])
        self.assertEqual(str(len(packed.body)), packed.headers["Content-Length"])
        self.assertLess(len(packed.body), len(plain.body))
        unpacked = gzip.decompress(packed.body).decode()
        self.assertTrue(families(unpacked))
        self.assertEqual(families(plain.body.decode()), families(unpacked))

    def test_gzip_is_found_among_other_codings(self):
        answer = self.agent.get("/metrics", {"Accept-Encoding": "deflate, gzip;q=0.5, *;q=0.1"})
        self.assertEqual("gzip", answer.headers["Content-Encoding"])

    def test_probes_are_ok(self):
        for path in ("/healthz", "/readyz"):
            with self.subTest(path=path):
                answer = self.agent.get(path)
                self.assertEqual((200, b"ok\n"), (answer.status, answer.body))

    def test_the_landing_page_leads_to_the_metrics_and_probes(self):
        page = self.agent.get("/")
        self.assertEqual(200, page.status)
        self.assertEqual("text/html; charset=utf-8", page.headers["Content-Type"])
        links = Links()
        links.feed(page.body.decode())
        paths = {urllib.parse.urljoin("/", target) for target in links.targets}
        self.assertLessEqual({"/metrics", "/healthz", "/readyz"}, paths)
        for path in paths:
            self.assertEqual(200, self.agent.get(path).status, path)

    def test_head_has_the_headers_but_no_body(self):
        for path in ("/metrics", "/healthz", "/"):
            with self.subTest(path=path):
                request = f"HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                head, _, body = exchange(self.agent.port, request.encode()).partition(b"\r\n\r\n")
                self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
                self.assertRegex(head, rb"(?i)\r\ncontent-length: [1-9]")
                self.assertEqual(b"", body)

    def test_unknown_paths_are_not_found(self):
        for path in ("/nowhere", "/metrics/", "/metricsx", "/healthz/../metrics"):
            with self.subTest(path=path):
                self.assertEqual(404, self.agent.get(path).status)

    def test_methods_that_change_things_are_refused(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
            with self.subTest(method=method):
                answer = self.agent.get("/metrics", method=method)
                self.assertEqual(405, answer.status)
                self.assertEqual({"GET", "HEAD"}, set(answer.headers["Allow"].split(", ")))

    def test_a_connection_serves_one_request_after_another(self):
        request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        last = b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = exchange(self.agent.port, request + request + last)
        self.assertEqual(3, answer.count(b"HTTP/1.1 200 "))

    def test_a_later_request_has_no_longer_than_the_first(self):
        with socket.create_connection(("127.0.0.1", self.agent.port), DEADLINE_SECONDS) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += connection.recv(1 << 16)
            connection.sendall(b"GET /healthz HT")
            self.assertEqual(b"", connection.recv(1))  # closed before the deadline of the tests

    def test_garbage_is_survived(self):
        noise = random.Random(1)  # the same bytes each time, for whoever has to find the mistake
        requests = {
            "nothing": b"",
            "zeros": bytes(4096),
            "noise": noise.randbytes(65536),
            "the start of TLS": bytes.fromhex("16030102000100") + noise.randbytes(512),
            "half a request": b"GET /metrics HT",
            "no HTTP": b"hello\r\n\r\n",
            "an endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
            "a large body": b"GET / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n" + b"a" * 100_000,
            "no number for a length": b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "a broken chunk": b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        }
        for name, request in requests.items():
            with self.subTest(name):
                self.assertNotIn(b" 200 OK", exchange(self.agent.port, request))
                self.assertEqual(200, self.agent.get("/healthz").status)
        self.assertTrue(self.agent.is_alive())


class CrowdTest(unittest.TestCase):
    """More connections than the agent serves at a time."""

    def test_idle_connections_beyond_the_limit_are_closed_and_do_no_lasting_harm(self):
        agent = self.enterContext(Agent())
        with contextlib.ExitStack() as crowd:
            connections = [
                crowd.enter_context(socket.create_connection(("127.0.0.1", agent.port)))
                for _ in range(MOST_CONNECTIONS_OF_A_CLIENT + 16)
            ]

            def closed_by_the_agent():
                closed, _, _ = readiness.select(connections, [], [], 0)
                return len(closed) >= 16

            wait_for(closed_by_the_agent, "the connections beyond the limit to be closed")
            self.assertTrue(agent.is_alive())

        def answers():
            with contextlib.suppress(OSError):  # until it has seen them close
                return agent.get("/healthz").status == 200

        wait_for(answers, "an answer after the idle connections closed")


class CountsTest(unittest.TestCase):
    """What the agent says of namespaces, against what `ss` says."""

    def setUp(self):
        self.agent = self.enterContext(Agent())

    def test_each_state_is_counted_as_ss_counts_it(self):
        namespace = self.enterContext(
            Namespace("counts", close_wait=5, connections=3, queued=2))
        expected = namespace.states()
        self.assertEqual((5, 5, 10, 1), tuple(expected[state] for state in (
            "close_wait", "fin_wait2", "established", "listen")))
        metrics = self.agent.fresh_metrics()
        self.assertEqual(expected, pod_states(metrics, namespace.name))
        self.assertEqual(expected, namespace.states(), "nothing changed meanwhile")

    def test_the_accept_queue_is_told_by_port(self):
        namespace = self.enterContext(Namespace("queue", queued=7))
        metrics = self.agent.fresh_metrics()
        (row,) = [row for row in namespace.rows() if row[0] == "LISTEN"]
        port = row[3].rpartition(":")[2]
        backlog = select(metrics, "closewatch_listen_backlog_sockets", pod=namespace.name)
        limit = select(metrics, "closewatch_listen_backlog_limit", pod=namespace.name)
        self.assertEqual({port: 7}, by_label(backlog, "port"))
        self.assertEqual({port: float(row[2])}, by_label(limit, "port"))

    def test_an_idle_namespace_has_every_state_at_zero(self):
        namespace = self.enterContext(Namespace("idle"))
        states = pod_states(self.agent.fresh_metrics(), namespace.name)
        self.assertEqual(dict.fromkeys(namespace.states(), 0), states)

    def test_namespaces_do_not_mix(self):
        first = self.enterContext(Namespace("first", close_wait=4))
        second = self.enterContext(Namespace("second", close_wait=9))
        metrics = self.agent.fresh_metrics()
        self.assertEqual(first.states(), pod_states(metrics, first.name))
        self.assertEqual(second.states(), pod_states(metrics, second.name))

    def test_a_pod_is_introduced_once(self):
        namespace = self.enterContext(Namespace("info", connections=1))
        metrics = self.agent.fresh_metrics()
        (visible,) = select(metrics, "closewatch_pod_visible", pod=namespace.name).items()
        self.assertEqual((frozenset({("namespace", "netns"), ("pod", namespace.name),
                                     ("reason", "")}), 1), visible)
        (info,) = select(metrics, "closewatch_pod_info", pod=namespace.name)
        self.assertEqual("false", dict(info)["host_network"])

    def test_a_namespace_made_anew_shows_its_new_sockets(self):
        for close_wait in (2, 6):
            with Namespace("anew", close_wait=close_wait) as namespace:
                states = pod_states(self.agent.fresh_metrics(), namespace.name)
                self.assertEqual(close_wait, states["close_wait"])
                self.assertEqual(namespace.states(), states)

    def test_a_namespace_that_is_gone_leaves_no_series(self):
        with Namespace("gone", close_wait=1) as namespace:
            self.assertIn(namespace.name, self.names(self.agent.fresh_metrics()))
        self.assertNotIn(namespace.name, self.names(self.agent.fresh_metrics()))
        self.assertNotIn(namespace.name, self.agent.metrics_text())

    @staticmethod
    def names(metrics):
        """Every pod that any series speaks of."""
        return {value for _, labels in metrics for label, value in labels if label == "pod"}

    def test_the_agent_keeps_no_namespace_alive(self):
        """A cached descriptor would leak the whole namespace, interfaces and all."""
        with Namespace("kept", close_wait=1) as namespace:
            (info,) = select(self.agent.fresh_metrics(), "closewatch_pod_info",
                             pod=namespace.name)
        self.agent.fresh_metrics()
        self.assertNotIn(f"net:[{dict(info)['uid']}]", self.open_files())

    def open_files(self):
        """What the agent's descriptors stand for."""
        targets = []
        for link in pathlib.Path(f"/proc/{self.agent.worker()}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                targets.append(str(link.readlink()))
        return targets

    def test_the_node_has_the_sockets_of_the_host(self):
        """Others use the host's network too, but nobody else listens on the agent's port."""
        node = by_label(select(self.agent.fresh_metrics(), "closewatch_node_sockets"), "state")
        self.assertEqual(11, len(node))
        self.assertGreaterEqual(node["listen"], 1)


class LifeTest(unittest.TestCase):
    """Starting and ending."""

    def test_the_signals_of_init_systems_end_it_well(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number), Agent() as agent:
                self.assertEqual(0, agent.stop(number))

    def test_what_ends_the_worker_ends_the_agent(self):
        for number in (signal.SIGABRT, signal.SIGKILL):
            with self.subTest(signal=number), Agent() as agent:
                os.kill(agent.worker(), number)
                wait_for(lambda one=agent: not one.is_alive(), "the agent to end")
                self.assertEqual(-number, agent.stop())

    def test_no_worker_outlives_the_agent(self):
        with Agent() as agent:
            worker = agent.worker()
            self.assertEqual(-signal.SIGKILL, agent.stop(signal.SIGKILL))
            wait_for(lambda: has_ended(worker), "the worker to end")

    def test_who_waits_has_no_privileges(self):
        with Agent() as agent:
            status = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text(encoding="ascii")
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertIn(f"\n{name}:\t0000000000000000\n", status)

    def test_more_signals_do_not_change_how_it_ends(self):
        """As from a terminal or from systemd, which send one to both processes."""
        with Agent() as agent:
            agent.wait_until_ready()
            worker = agent.worker()
            while agent.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGTERM)
            self.assertEqual(0, agent.stop())

    def test_an_open_connection_does_not_delay_the_end(self):
        with Agent() as agent, socket.create_connection(("127.0.0.1", agent.port)):
            self.assertEqual(0, agent.stop())

    def test_an_occupied_port_is_one_clear_line(self):
        with socket.create_server(("127.0.0.1", 0)) as occupant:
            port = occupant.getsockname()[1]
            done = run_closewatch("serve", "--web.listen-address", f"127.0.0.1:{port}")
        self.assertEqual(1, done.returncode)
        (line,) = done.stderr.splitlines()
        self.assertIn(" error ", line)
        self.assertIn(f"127.0.0.1:{port}", line)
        self.assertIn("--web.listen-address", line)

    def test_a_restart_gets_its_port_back_at_once(self):
        """The old agent's connections linger in TIME_WAIT on that port."""
        with Agent() as first:
            first.get("/healthz")
        with Agent(port=first.port) as second:
            self.assertEqual(200, second.get("/healthz").status)

    def test_the_metrics_move_to_another_path(self):
        agent = self.enterContext(Agent("--web.telemetry-path", "/a/b"))
        self.assertEqual(METRICS_TYPE, agent.get("/a/b").headers["Content-Type"])
        self.assertEqual(404, agent.get("/metrics").status)
        links = Links()
        links.feed(agent.get("/").body.decode())
        self.assertIn("/a/b", [urllib.parse.urljoin("/", target) for target in links.targets])


class LogReaderTest(unittest.TestCase):
    """Who reads the log may go."""

    def test_a_log_without_a_reader_is_no_reason_to_end(self):
        command = [binary(), "serve", *STANDALONE, "--web.listen-address", "127.0.0.1:0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
            self.enterContext(cleaned_up(agent.kill))
            while "serves on" not in agent.stderr.readline():
                self.assertIsNone(agent.poll())
            agent.stderr.close()
            agent.send_signal(signal.SIGTERM)  # it says so in its log
            self.assertEqual(0, agent.wait(DEADLINE_SECONDS))


class LogTest(unittest.TestCase):
    """Standard error, as a log shipper reads it."""

    def log_of_a_life(self, *flags):
        """The log of an agent that saw a namespace come and was ended."""
        with Agent(*flags) as agent, Namespace("log"):
            agent.fresh_metrics()
            agent.stop()
            return agent.log

    def test_json_lines_are_json(self):
        log = self.log_of_a_life("--log.format", "json")
        self.assertGreaterEqual(len(log), 3)
        for line in log:
            entry = json.loads(line)
            self.assertLessEqual({"time", "level", "message"}, set(entry), line)
            self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertTrue(entry["message"])

    def test_text_lines_begin_with_time_and_level(self):
        line_form = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning) \S")
        for line in self.log_of_a_life():
            self.assertRegex(line, line_form)


if __name__ == "__main__":
    unittest.main()
