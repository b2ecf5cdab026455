# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: a running closewatch, namespaces with known sockets, and patience.

The tests look at the agent from outside only, as its users do: over HTTP, on the command line and
beside `ss`, which is the reference for every count.
"""

import atexit
import collections
import contextlib
import glob
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
DEADLINE_SECONDS = 60  # a sanitizer makes all slow
POLL_SECONDS = 0.05

# How `ss` spells the kernel's states.
STATES = {
    "ESTAB": "established",
    "SYN-SENT": "syn_sent",
    "SYN-RECV": "syn_recv",
    "FIN-WAIT-1": "fin_wait1",
    "FIN-WAIT-2": "fin_wait2",
    "TIME-WAIT": "time_wait",
    "UNCONN": "close",
    "CLOSE-WAIT": "close_wait",
    "LAST-ACK": "last_ack",
    "LISTEN": "listen",
    "CLOSING": "closing",
}

ROOT_CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/*")  # v2 alone; v1 and hybrid

Response = collections.namedtuple("Response", "status headers body")

MOST_CONNECTIONS_OF_A_CLIENT = 384  # docs/architecture.md

# Where a kubelet, or another test, has cgroups below kubepods, the agent would look there instead.
STANDALONE = ("--pods.discovery", "standalone")

# Whoever ends a hanging run must not leave namespaces and containers behind: as an interrupt it
# stops unittest and lets the atexit handlers run.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def binary():
    """The program under test."""
    path = os.environ.get("CLOSEWATCH_BIN", "")
    if not os.access(path, os.X_OK):
        raise AssertionError(f"CLOSEWATCH_BIN must name the closewatch binary, it is '{path}'")
    return os.path.abspath(path)


def require(*programs):
    """A test that is skipped in silence proves nothing, so what is missing is a failure."""
    if os.geteuid() != 0:
        raise AssertionError("these tests make network namespaces: run them as root")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise AssertionError(f"these tests need {', '.join(missing)}: not found in PATH")


def wait_for(condition, what):
    """Returns the first true value of `condition()`; generous, because machines can be busy."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s in vain for {what}")


def run(*command):
    """Runs a tool of the machine; its own complaint is the best explanation of a failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def run_closewatch(*arguments, prefix=(), program=None, stdout=subprocess.PIPE):
    """Runs a command that ends by itself."""
    return subprocess.run(
        [*prefix, program or binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def without(capability):
    """The command that runs another without one capability; setpriv writes it in small letters."""
    return ("setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}")


def scan(*arguments, prefix=()):
    """`scan` as JSON; the caller judges the rest."""
    done = run_closewatch("scan", "--output", "json", *STANDALONE, *arguments, prefix=prefix)
    if done.returncode != 0:
        raise AssertionError(f"scan ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def scan_table(*arguments):
    """Header and rows of the table that `scan` prints, split into cells; empty ones are lost."""
    done = run_closewatch("scan", *STANDALONE, *arguments)
    if done.returncode != 0:
        raise AssertionError(f"scan ended with {done.returncode}: {done.stderr}")
    return [re.split(r" {2,}", line) for line in done.stdout.splitlines()]


def find(found, pod):
    """The one entry of a pod."""
    (entry,) = [entry for entry in found["pods"] if entry["pod"] == pod]
    return entry


def free_port():
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ss_rows(*where):
    """The rows of `ss -tanH`; `where` is a command that leads into a namespace, or none."""
    return [line.split() for line in run(*where, "ss", "-tanH").splitlines()]


def count_states(rows):
    """All 11 states, zeros included, as closewatch gives them."""
    counts = dict.fromkeys(STATES.values(), 0)
    for row in rows:
        counts[STATES[row[0]]] += 1
    return counts


def count_listeners(rows):
    """What the JSON says of each listening port, from the same rows."""
    listeners = {}
    for state, receive_queue, send_queue, local, *_ in rows:
        if STATES[state] != "listen":
            continue
        port = int(local.rpartition(":")[2])
        sums = listeners.setdefault(port, {"port": port, "backlog": 0, "limit": 0})
        sums["backlog"] += int(receive_queue)
        sums["limit"] += int(send_queue)
    return [listeners[port] for port in sorted(listeners)]


def remove_cgroup(path):
    """Removes the cgroup `path` in every hierarchy with all below; true when none is left."""
    for root in ROOT_CGROUPS:
        for top in glob.glob(root + path):
            for directory, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # busy until its last process has been reaped
                    os.rmdir(directory)
    return not any(glob.glob(root + path) for root in ROOT_CGROUPS)


@contextlib.contextmanager
def cleaned_up(close):
    """Calls `close` at the end of the block, and also when the interpreter ends within it."""
    atexit.register(close)
    try:
        yield
    finally:
        close()
        atexit.unregister(close)


class Holder(contextlib.ExitStack):
    """One of the programs of this directory that hold sockets. Within the block it has them all.

    `prefix` is a command that leads to where it shall run, and then becomes the program.
    """

    def __init__(self, program, *arguments, prefix=()):
        super().__init__()
        self._command = [*prefix, sys.executable, "-B", str(HERE / program),
                         *map(str, arguments)]
        self._process = None

    def __enter__(self):
        super().__enter__()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.enter_context(cleaned_up(self.stop))
        if self._process.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError(f"the sockets of {self._command} could not be made")
        return self

    @property
    def pid(self):
        """The number of the process that has the sockets open."""
        return self._process.pid

    def stop(self):
        """Safe to call again."""
        if self._process.returncode is None:
            self._process.communicate()


class Namespace(contextlib.ExitStack):
    """A named network namespace with sockets of known states.

    `close_wait` connections were ended by the client only, which leaves one socket in CLOSE_WAIT
    and one in FIN_WAIT2; `connections` are open at both ends; `queued` ones wait to be accepted.
    """

    def __init__(self, label, close_wait=0, connections=0, queued=0):
        super().__init__()
        self.name = f"cwtest-{os.getpid()}-{label}"
        self._sockets = (close_wait, connections, queued)

    def __enter__(self):
        super().__enter__()
        require("ip", "ss")
        run("ip", "netns", "add", self.name)
        self.enter_context(cleaned_up(self.remove))
        try:
            run("ip", "-n", self.name, "link", "set", "lo", "up")
            if any(self._sockets):
                self.hold("hold_sockets.py", *self._sockets)
        except BaseException:
            self.close()
            raise
        return self

    def hold(self, program, *arguments):
        """Runs a holder in here; it ends with the namespace, which it would keep alive."""
        return self.enter_context(Holder(program, *arguments, prefix=self.entering()))

    def entering(self):
        """The command that runs another in here."""
        return ("ip", "netns", "exec", self.name)

    def rows(self):
        """What `ss` shows of the namespace, read without a process in it."""
        return [line.split() for line in run("ss", "-N", self.name, "-tanH").splitlines()]

    def states(self):
        """How many sockets `ss` counts in each state."""
        return count_states(self.rows())

    def remove(self):
        """Safe to call again."""
        if os.path.exists(f"/run/netns/{self.name}"):
            run("ip", "netns", "delete", self.name)


_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")


def _unescaped(value):
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], value)


def parse_metrics(text):
    """(name, frozenset of label pairs) -> value; a sample that is given twice is a mistake."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        if match is None:
            raise AssertionError(f"no sample of the text format: {line}")
        labels = _LABEL.findall(match["labels"] or "")
        key = (match["name"], frozenset((name, _unescaped(value)) for name, value in labels))
        if key in samples:
            raise AssertionError(f"sample given twice: {line}")
        samples[key] = float(match["value"])
    return samples


def select(metrics, name, **labels):
    """The samples of one family that have these labels: dict of all their labels -> value."""
    wanted = set(labels.items())
    return {key: value for (family, key), value in metrics.items()
            if family == name and wanted <= key}


def by_label(samples, label):
    """Keys samples by the one label in which they differ."""
    return {dict(labels)[label]: value for labels, value in samples.items()}


def pod_states(metrics, pod):
    """State -> count of one pod; empty when the pod has no counts."""
    return by_label(select(metrics, "closewatch_pod_sockets", pod=pod), "state")


class Impostor(contextlib.ExitStack):
    """Somebody else on the agent's address, who answers the same to everything, with escapes for a terminal in it."""

    ESCAPES = "\x1b[2J\x1b]0;mine\x07"

    def __init__(self, status, body):
        super().__init__()
        body = body.encode()
        self.answer = f"HTTP/1.1 {status} Mine\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def __enter__(self):
        super().__enter__()
        server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % server.getsockname()[1]
        thread = threading.Thread(target=self._serve, args=(server,))
        thread.start()
        self.callback(thread.join)
        self.callback(server.shutdown, socket.SHUT_RDWR)  # which ends accept()
        return self

    def _serve(self, server):
        with server:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):  # who has read enough goes
                    connection.recv(4096)
                    connection.sendall(self.answer)


def has_ended(pid):
    """Whether a process has gone, or is only waited for."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return "\nState:\tZ" in status


def only_child(pid):
    """The number of a process's one child."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    (child,) = map(int, children.read_text(encoding="ascii").split())
    return child


class Agent(contextlib.ExitStack):
    """`closewatch serve` on a port of its own. Leaving the block ends it with SIGTERM.

    Unless `extra` says otherwise it scans every second, whatever that costs, and takes each network
    namespace for a pod.
    """

    def __init__(self, *extra, port=0, prefix=(), program=None):
        super().__init__()
        self._command = [*prefix, program or binary(), "serve",
                         "--web.listen-address", f"127.0.0.1:{port}", *extra]
        for flag, value in (("--scan.interval", "1s"), ("--scan.cpu_budget", "1"), STANDALONE):
            if flag not in extra:
                self._command += [flag, value]
        self.log = []  # lines of standard error so far
        self.port = None
        self.telemetry_path = None
        self.process = None

    def __enter__(self):
        super().__enter__()
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.enter_context(cleaned_up(self.stop))
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            wait_for(self._is_settled, "the agent to tell its port")
            if self.port is None:
                raise AssertionError("the agent did not start:\n" + "\n".join(self.log))
        except BaseException:
            self.close()
            raise
        return self

    def _read_log(self):
        for line in self.process.stderr:
            match = re.search(r"closewatch \S+ serves on 127\.0\.0\.1:(\d+)(/[\w/-]+)", line)
            if match:
                self.telemetry_path = match[2]
                self.port = int(match[1])
            self.log.append(line.rstrip("\n"))

    def _is_settled(self):
        return self.port is not None or not self._reader.is_alive()

    def get(self, path, headers=None, method="GET"):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, headers=headers or {})
            except ConnectionRefusedError:
                raise AssertionError("\n".join(["the agent has ended:", *self.log])) from None
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())

    def get_json(self, path):
        """The document at a path of the API."""
        answer = self.get(path)
        if answer.status != 200:
            raise AssertionError(f"{path} has status {answer.status}: {answer.body!r}")
        return json.loads(answer.body)

    def metrics_text(self):
        """The metrics as they stand."""
        answer = self.get(self.telemetry_path)
        if answer.status != 200:
            raise AssertionError(f"the metrics have status {answer.status}: {answer.body!r}")
        return answer.body.decode()

    def metrics(self):
        """The metrics as they stand, parsed."""
        return parse_metrics(self.metrics_text())

    def wait_until_ready(self):
        """Before the first scan the metrics have nothing but the agent itself."""
        wait_for(lambda: self.get("/readyz").status == 200, "the first scan")

    def fresh_metrics(self):
        """The metrics of a scan that began after this call: nothing in them is from before."""
        called_at = time.time()

        def fresh():
            metrics = self.metrics()
            ended = metrics.get(("closewatch_scan_timestamp_seconds", frozenset()), 0)
            took = metrics.get(("closewatch_scan_duration_seconds", frozenset()), 0)
            return metrics if ended - took >= called_at else None
        return wait_for(fresh, "the next scan")

    def worker(self):
        """The number of the process that scans; the one that was started waits for it."""
        return only_child(self.process.pid)

    def network(self):
        """The number of the process that talks to the network, the scanner's child."""
        return only_child(self.worker())

    def is_alive(self):
        """Whether the process still runs."""
        return self.process.poll() is None

    def stop(self, number=signal.SIGTERM):
        """Ends it, if it has not ended yet; returns the exit status with the log complete."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the agent did not end after signal {number}") from None
        self._reader.join(DEADLINE_SECONDS)
        if self._reader.is_alive():
            raise AssertionError("somebody still holds the log of the agent, which has ended")
        self.process.stderr.close()
        return status
