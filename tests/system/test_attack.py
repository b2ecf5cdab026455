# SPDX-License-Identifier: Apache-2.0
"""All attacks on an agent at once, beside a Prometheus and a kubelet that only want their answers.

The agent runs as on a node: its own defaults, the memory that the chart's README recommends as a limit (it recommends none for CPU), 121
pods, of which some leak, and one has very many descriptors. Names are told by an API server that is as hostile as a fake can
be. CLOSEWATCH_ATTACK_SECONDS says how long: 60 without; before a release 600.
"""

import contextlib
import gzip
import http.client
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import test_metadata_api  # noqa: E402
from agent import DEADLINE_SECONDS, HERE, Agent, cleaned_up, free_port, parse_metrics, require, select, wait_for  # noqa: E402
from attack_agent import Attack  # noqa: E402
from clients import Ipv6Network  # noqa: E402
from fake_api_server import Authority, FakeApiServer, pod_object  # noqa: E402
from memory_cgroup import MemoryCgroup  # noqa: E402
from running_pods import RunningPods  # noqa: E402

SECONDS = int(os.environ.get("CLOSEWATCH_ATTACK_SECONDS", "60"))
LIMIT = 64 << 20  # resources.limits.memory, as helm/closewatch/README.md has it
IDLE, LEAKING = 100, 20  # pods
DESCRIPTORS = 100_000  # of one more
ATTACKS = ("read_and_idle", "read_nothing", "read_slowly", "connect_and_go", "ask_again_and_again", "be_wrong", "send_slowly", "look_up",
           "be_many")
NODE, SHOP = "node-a", "shop"
INTERVAL = 10  # s; with the budget the agent's default, where Agent has others for tests
SCRAPE_EVERY, SCRAPE_TIMEOUT = 3, 10  # s; the timeout is Prometheus' own
PROBE_EVERY, PROBE_TIMEOUT = 2, 5  # s; the timeout is the chart's


class HostileApiServer(contextlib.ExitStack):
    """A fake that tells the pods' names once, and then mostly shows one fault after the other. A process of its own."""

    def __init__(self, directory, pods):
        super().__init__()
        self._directory, self._pods = directory, pods

    def __enter__(self):
        super().__enter__()
        account = self._directory / "account"
        account.mkdir()
        authority = Authority(self._directory, "authority")
        (account / "ca.crt").write_bytes(authority.certificate.read_bytes())
        (account / "token").write_text("token-1\n", encoding="ascii")
        fork = multiprocessing.get_context("fork")
        self._pipe, there = fork.Pipe()
        self._process = fork.Process(target=self._serve, args=(authority.issue("server"), there), daemon=True)
        self._process.start()
        self.enter_context(cleaned_up(self._process.kill))
        self.flags = ("--metadata.source", "api", "--metadata.node", NODE, "--metadata.api_server", self._pipe.recv(),
                      "--paths.service_account", str(account), "--paths.pod_logs", str(self._directory),
                      "--paths.container_logs", str(self._directory))
        return self

    def faults(self):
        """How many lists and watches have met one."""
        self._pipe.send("how many")
        return self._pipe.recv()

    def _serve(self, certificate, pipe):
        hostile = test_metadata_api.HostileTest
        lists, watches = list(hostile.LISTS.values()), list(hostile.WATCHES.values())
        random.shuffle(lists)
        random.shuffle(watches)
        with FakeApiServer(certificate) as server:
            for name, uid in self._pods.items():
                server.put(pod_object(SHOP, name, uid, NODE))
            server.next("list", None)
            for _ in range(100):
                # Whoever lists and watches in vain waits for half a minute; whoever succeeds comes at once.
                server.next("list", *itertools.chain(*zip(lists, itertools.repeat(None))))
                server.next("watch", *itertools.chain(*zip(itertools.repeat(None), watches)))
            pipe.send(server.address)
            end_watches = itertools.cycle((server.expire_watches, server.cut_watches))  # who is told it is old lists again
            while not pipe.poll(5):
                next(end_watches)()
            pipe.recv()
            pipe.send({kind: len(server.asked(kind)) // 2 for kind in ("list", "watch")})


class WellBehaved:
    """Asks for the same again and again, as Prometheus and the kubelet do, and remembers what it got."""

    def __init__(self, port, client, every, timeout, ask):
        self.answers, self.failures, self.slowest = 0, [], 0
        self._connection = None
        self._where = (port, client, timeout)
        self._every, self._ask = every, ask
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._again)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._thread.join()
        if self._connection:
            self._connection.close()

    def _again(self):
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                self._ask(self)
                self.answers += 1
            except Exception as error:  # pylint: disable=broad-except
                self.failures.append(f"after {time.monotonic() - begun:.1f} s: {error!r}")
                self._connection = None
            took = time.monotonic() - begun
            self.slowest = max(self.slowest, took)
            self.over.wait(max(0, self._every - took))

    def get(self, path, stays=False):
        """Status and body. A connection that has stayed and was closed is not held against anybody: Go's client takes another."""
        connection, self._connection = self._connection, None
        if connection:
            try:
                return self._ask_by(connection, path, stays)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                pass
        port, client, timeout = self._where
        return self._ask_by(http.client.HTTPConnection("127.0.0.1", port, timeout, (client, 0)), path, stays)

    def _ask_by(self, connection, path, stays):
        connection.request("GET", path, headers={"Accept-Encoding": "gzip", "Connection": "keep-alive" if stays else "close"})
        answer = connection.getresponse()
        body = answer.read()  # less than was announced is an error
        if stays:
            self._connection = connection
        else:
            connection.close()
        return answer.status, gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body


class AttackTest(unittest.TestCase):
    """One agent, all at once."""

    def setUp(self):
        require("openssl", "ip", "unshare", "nice")
        self.uids = {f"pod-{number:03}": str(uuid.uuid4()) for number in range(IDLE + LEAKING + 1)}
        idle, leaking, last = [list(self.uids.values())[part] for part in
                               (slice(IDLE), slice(IDLE, IDLE + LEAKING), slice(IDLE + LEAKING, None))]
        self.pods = self.enterContext(RunningPods("attack", idle))
        for uid in leaking:
            self.start_pod(uid, "hold_sockets.py", 20, 10, 0)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000
        processes = -(-DESCRIPTORS // most)
        self.start_pod(last[0], "hold_descriptors.py", processes, DESCRIPTORS // processes)
        self.cgroup = self.enterContext(MemoryCgroup(LIMIT))
        self.network = self.enterContext(Ipv6Network())
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.api = self.enterContext(HostileApiServer(directory, self.uids))
        self.port6 = free_port()
        defaults = {"--scan.interval": f"{INTERVAL}s", "--scan.cpu_budget": "0.01"}
        self.agent = self.enterContext(Agent(
            "--pods.discovery", "kubernetes", "--paths.cgroup", self.pods.cgroup, "--web.listen-address", f"[::1]:{self.port6}",
            *itertools.chain(*defaults.items()), *self.api.flags, prefix=self.cgroup.entering()))
        self.agent.wait_until_ready()

    def start_pod(self, uid, program, *arguments):
        """One that holds something."""
        process = self.pods.start(uid, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", str(HERE / program), *arguments,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stdout.close)
        self.assertEqual("ready\n", process.stdout.readline())

    @contextlib.contextmanager
    def attacked(self):
        """All attacks, each in a process of its own; gives what they have done once they are over."""
        names = {name for name in vars(Attack) if not name.startswith("_")} - {"until_over", "crowd", "connect", "ask", "take"}
        self.assertEqual(names, set(ATTACKS))
        dear = [path for name in reversed(self.uids) for path in (f"/api/v1/pods/{SHOP}/{name}/sockets", f"/page/pods/{SHOP}/{name}")]
        running = {name: self.enterContext(subprocess.Popen(
            ["nice", "-n", "5", sys.executable, "-B", str(HERE / "attack_agent.py"), name, str(self.agent.port), str(self.port6),
             self.network.prefix, *dear], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) for name in ATTACKS}
        for process in running.values():
            self.enterContext(cleaned_up(process.kill))
            self.assertEqual("ready\n", process.stdout.readline())
        done = {}
        yield done
        for name, process in running.items():
            done[name] = json.loads(process.communicate(timeout=4 * DEADLINE_SECONDS)[0])
        done["API server"] = self.api.faults()

    def scrape(self, client):
        """As Prometheus does it; the times of the scans that were seen."""
        status, body = client.get("/metrics", stays=True)
        self.assertEqual(200, status)
        metrics = parse_metrics(body.decode())
        self.assertGreaterEqual({dict(labels)["uid"] for labels in select(metrics, "closewatch_pod_info")}, set(self.uids.values()))
        self.assertEqual({1}, set(select(metrics, "closewatch_pod_visible").values()))
        for name, number in (("closewatch_scan_timestamp_seconds", self.scans), ("closewatch_scan_interval_seconds", self.intervals)):
            number |= set(select(metrics, name).values())
        self.last = metrics

    def probe(self, client):
        """As the kubelet does it."""
        for path in ("/healthz", "/readyz"):
            self.assertEqual((200, b"ok\n"), client.get(path))

    def test_all_at_once(self):
        self.scans, self.intervals, self.last = set(), set(), None
        where = self.agent.port
        begun = time.monotonic()
        with self.attacked() as done:
            with WellBehaved(where, "127.0.9.1", SCRAPE_EVERY, SCRAPE_TIMEOUT, self.scrape) as prometheus, \
                 WellBehaved(where, "127.0.9.2", PROBE_EVERY, PROBE_TIMEOUT, self.probe) as kubelet:
                while time.monotonic() < begun + SECONDS and self.agent.process.poll() is None:
                    time.sleep(1)
            seconds = time.monotonic() - begun
        gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(self.scans))]
        print(json.dumps(done, indent=1), file=sys.stderr)
        print(f"  {seconds:.0f} s; {prometheus.answers} whole scrapes, {len(prometheus.failures)} failed, {prometheus.slowest:.2f} s the slowest\n"
              f"  {kubelet.answers} times both probes, {len(kubelet.failures)} failed, {kubelet.slowest:.2f} s the slowest\n"
              f"  {len(self.scans)} scans seen, {max(gaps):.2f} s between two at most, in force {sorted(self.intervals)} s\n"
              f"  {self.cgroup.peak() / 2**20:.1f} of {LIMIT >> 20} MiB at most, {self.cgroup.killed()} killed", file=sys.stderr)
        self.assertEqual([], prometheus.failures)
        self.assertEqual([], kubelet.failures)
        self.assertEqual({INTERVAL}, self.intervals)
        self.assertLess(max(gaps), 2 * INTERVAL)  # none is missing
        errors = {dict(labels)["stage"]: count for labels, count in select(self.last, "closewatch_scan_errors_total").items()}
        self.assertEqual({0}, {count for stage, count in errors.items() if stage != "metadata"}, (errors, self.agent.log))
        # The kernel's caches may fill the rest: they go where it is needed.
        self.assertEqual(0, self.cgroup.killed())
        for name, counts in done.items():
            self.assertTrue(all(counts.values()) or "cut" in counts, (name, counts))


if __name__ == "__main__":
    unittest.main()
