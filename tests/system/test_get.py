# SPDX-License-Identifier: Apache-2.0
"""`closewatch get` and the tab-separated form of the API, beside `ss` and the JSON."""

import contextlib
import os
import pathlib
import signal
import socket
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import Agent, Impostor, Namespace, run_closewatch  # noqa: E402


def rows(text):
    """Rows by column name, and the remarks as lists of cells."""
    header, *lines = text.split("\n")[:-1]
    names = header.split("\t")
    table = [dict(zip(names, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]
    return table, [line[1:].split("\t") for line in lines if line.startswith("#")]


class GetTest(unittest.TestCase):
    """A running agent, asked by its own binary."""

    @classmethod
    def setUpClass(cls):
        cls.leaky = cls.enterClassContext(Namespace("leaky", close_wait=4, connections=2, queued=3))
        cls.agent = cls.enterClassContext(Agent())
        cls.agent.wait_until_ready()
        cls.agent.fresh_metrics()

    def get(self, path, address=None):
        """Runs it against the agent, or another address."""
        return run_closewatch("get", "--web.listen-address", address or f"127.0.0.1:{self.agent.port}", path)

    def table(self, path):
        """Rows and remarks of an answer."""
        done = self.get(path)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return rows(done.stdout)

    def test_pods_are_those_of_the_json(self):
        table, remarks = self.table("/api/v1/pods.tsv")
        self.assertEqual([["end", str(len(table))]], remarks)
        (pod,) = [row for row in table if row["pod"] == self.leaky.name]
        states = self.leaky.states()
        self.assertEqual(states, {state: int(pod[state]) for state in states})
        (same,) = [entry for entry in self.agent.get_json("/api/v1/pods")["pods"] if entry["pod"] == self.leaky.name]
        self.assertEqual(same["uid"], pod["uid"])
        self.assertEqual("4", pod["close_wait"])
        self.assertEqual(4, sum(int(pod[f"owes_{call}"]) for call in ("accept", "read", "close")))

    def test_sockets_are_all_there(self):
        table, remarks = self.table(f"/api/v1/pods/netns/{self.leaky.name}/sockets.tsv")
        self.assertEqual([["total", "4"], ["end", "4"]], remarks)
        remotes = {line[4].replace("[::ffff:127.0.0.1]", "127.0.0.1")
                   for line in self.leaky.rows() if line[0] == "CLOSE-WAIT"}
        self.assertEqual(remotes, {row["remote"] for row in table})
        self.assertTrue(all(int(row["pid"]) for row in table))

    def test_the_agent_tells_of_itself(self):
        ((row,), _) = self.table("/api/v1/agent.tsv")
        self.assertEqual("false", row["scan_stale"])
        self.assertGreater(int(row["resident_bytes"]), 1 << 20)
        self.assertLessEqual(int(row["pods_visible"]), int(row["pods"]))

    def test_any_other_page_is_printed_as_it_is(self):
        self.assertEqual("ok\n", self.get("/healthz").stdout)

    def test_a_refusal_is_a_failure_in_the_agents_words(self):
        done = self.get("/api/v1/pods/netns/nobody/sockets.tsv")
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertEqual("closewatch: /api/v1/pods/netns/nobody/sockets.tsv says 404: "
                         "no pod netns/nobody on this node\n", done.stderr)

    def test_an_impostors_answer_cannot_move_the_cursor(self):
        with Impostor(200, f"a\tb\n{Impostor.ESCAPES}\x9b31m\x7f caf\u00e9\n") as impostor:
            done = self.get("/x", impostor.address)
        self.assertEqual((0, "a\tb\n?[2J?]0;mine???31m? caf\u00e9\n"), (done.returncode, done.stdout))

    def test_an_impostors_words_cannot_move_the_cursor(self):
        with Impostor(500, f"why {Impostor.ESCAPES}\nmore\n") as impostor:
            done = self.get("/healthz", impostor.address)
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertEqual("closewatch: /healthz says 500: why ?[2J?]0;mine?\n", done.stderr)

    def test_nobody_who_listens_is_a_failure(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = "127.0.0.1:%d" % server.getsockname()[1]
        done = self.get("/healthz", address)
        self.assertEqual(1, done.returncode)
        self.assertIn(f"connecting to {address}", done.stderr)

    def test_an_answer_that_is_cut_is_a_failure(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
            def answer():
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\nnamespace\tpod\n")
            thread = threading.Thread(target=answer)
            thread.start()
            done = self.get("/api/v1/pods.tsv", "127.0.0.1:%d" % server.getsockname()[1])
            thread.join()
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertIn("not whole", done.stderr)

    def test_an_agent_that_hangs_is_a_failure(self):
        with Agent() as hanging:
            hanging.wait_until_ready()
            os.kill(hanging.network(), signal.SIGSTOP)
            try:
                done = self.get("/healthz", f"127.0.0.1:{hanging.port}")
            finally:
                os.kill(hanging.network(), signal.SIGCONT)
        self.assertEqual(1, done.returncode)
        self.assertIn("timed out", done.stderr)

    def test_what_is_no_path_is_a_usage_error(self):
        for wrong in ((), ("api/v1/pods",), ("/a b",), ("/a\r\nX: y",), ("/a", "/b"),
                      ("http://localhost:10088",), ("https://localhost/a",)):
            with self.subTest(wrong):
                self.assertEqual(2, run_closewatch("get", *wrong).returncode)

    def test_a_server_by_its_name(self):
        for host in ("localhost", "127.0.0.1"):
            self.assertEqual("ok\n", self.get(f"http://{host}:{self.agent.port}/readyz").stdout)
        for wrong, words in (("http://localhost/readyz", "'localhost' is no server"), ("http://:1:2/a", "is no server"),
                             ("http://no-such-host.invalid:1/a", "looking up no-such-host.invalid: ")):
            done = self.get(wrong)
            self.assertEqual((1, ""), (done.returncode, done.stdout))
            self.assertIn(words, done.stderr)

    def test_an_empty_host_is_asked_over_loopback(self):
        self.assertEqual("ok\n", self.get("/readyz", f":{self.agent.port}").stdout)


if __name__ == "__main__":
    unittest.main()
