# SPDX-License-Identifier: Apache-2.0
"""A pod that hangs costs no other pod its numbers, nor the agent its end."""

import contextlib
import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import uuid
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import HERE, STANDALONE, Agent, cleaned_up, require, run_closewatch, select, wait_for  # noqa: E402
from running_pods import RunningPods  # noqa: E402

HEALTHY, HANGING = str(uuid.uuid4()), str(uuid.uuid4())
# Opens the file, waits for a line, and maps the file.
MAPS = "import mmap, sys; file = open(sys.argv[1]); print(flush=True); input(); mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)"


# Sends to itself, within its own network namespace.
SENDS = """import contextlib, mmap, socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
file = open(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
with contextlib.suppress(OSError):  # once the file system has gone
    client.send(mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ))
time.sleep(100000)
"""


def options(cgroup, logs):
    """For an agent that finds pods below `cgroup`, and their names, if any, in `logs`."""
    return ("--pods.discovery", "kubernetes", "--paths.cgroup", str(cgroup), "--metadata.source", "logs",
            "--paths.pod_logs", str(logs), "--paths.container_logs", str(logs))


def visibility(agent):
    """Of each pod in a fresh scan why it is not visible; None where it is."""
    return {dict(labels)["pod"]: None if value else dict(labels)["reason"]
            for labels, value in select(agent.fresh_metrics(), "closewatch_pod_visible").items()}


def state_of(pid):
    """The letter in /proc/PID/stat."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


class DeadFileSystemTest(unittest.TestCase):
    """On a machine with a dead file system."""

    def setUp(self):
        require("umount")
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse")
        # At the end LeakSanitizer stops all threads, for which it opens a file; what the kernel keeps does not stop.
        sanitizer = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))
        self.enterContext(mock.patch.dict(os.environ, ASAN_OPTIONS=sanitizer))
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.file_system = None

    def popen(self, *command, **other):
        """A program of Python's that is killed at the end."""
        process = subprocess.Popen([sys.executable, "-B", *map(str, command)], **other)

        def end():
            self.end_file_system()
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self.enterContext(cleaned_up(end))
        return process

    def mount(self):
        """The dead file system; unmounted at the end."""
        place = self.directory / "dead"
        place.mkdir()
        self.file_system = self.popen(HERE / "fake_dead_file_system.py", place, stdout=subprocess.PIPE, text=True)
        self.assertEqual("mounted\n", self.file_system.stdout.readline())
        self.enterContext(cleaned_up(lambda: subprocess.run(["umount", "--lazy", place], check=True)))
        return place / "file"

    def assert_ends_though_it_hangs(self, agent):
        """With nothing open any more, though the kernel keeps it."""
        worker = agent.worker()
        self.assertEqual(0, agent.stop())
        self.assertIn("cannot be ended and is left behind", agent.log[-1])
        self.assertEqual("Z", state_of(worker))
        self.assertEqual([], [os.readlink(link) for link in glob.glob(f"/proc/{worker}/task/*/fd/*")])

    def end_file_system(self):
        """Before anything that may wait for it is waited for: even SIGKILL does not end such a wait."""
        if self.file_system:
            self.file_system.kill()
            self.file_system.wait()


class DirectoryTest(DeadFileSystemTest):
    """A directory that cannot be read is no empty one."""

    def test_what_may_be_missing_is_said(self):
        mounted = self.mount().parent
        done = run_closewatch("scan", *STANDALONE, "--paths.netns", str(mounted))
        self.assertIn("reading a directory", done.stderr)


class MmapLockTest(DeadFileSystemTest):
    """A process that holds its mmap lock for ever."""

    def setUp(self):
        super().setUp()
        self.pods = self.enterContext(RunningPods("hang", [HEALTHY]))

    def hang(self):
        """Returns when a process of the pod hangs with the lock held."""
        file = self.mount()
        ready, told = os.pipe()
        listens, go = os.pipe()
        maps = self.directory / "maps.py"
        maps.write_text(MAPS, encoding="ascii")
        process = self.pods.start(HANGING, "sh", "-c", f'exec "$0" "$@" <&{listens} >&{told}', sys.executable, maps, file,
                                  pass_fds=(listens, told))
        os.read(ready, 1)
        self.popen("-c", "import sys; open(sys.argv[1], 'rb').read()", file)
        self.assertEqual("asked\n", self.file_system.stdout.readline())
        os.write(go, b"\n")
        for descriptor in (ready, told, listens, go):
            os.close(descriptor)
        wait_for(lambda: state_of(process.pid) == "D", "the process to hang")

    def test_all_pods_are_counted_and_the_agent_ends(self):
        agent = Agent(*options(self.pods.cgroup, self.directory))
        self.enterContext(agent)
        self.enterContext(cleaned_up(self.end_file_system))
        agent.wait_until_ready()
        self.hang()
        for _ in range(2):
            self.assertEqual({HEALTHY: None, HANGING: None}, visibility(agent))
        self.assertEqual(200, agent.get("/healthz").status)
        self.assertEqual(0, agent.stop())


class PlainTree:
    """A tree of plain files in the place of the cgroups of two pods, which names their processes."""

    def __init__(self, pods, directory):
        self.root = directory / "cgroup"
        for procs in pathlib.Path(pods.cgroup).glob("kubepods/*/*/*/cgroup.procs"):
            shown = self.root / procs.relative_to(pods.cgroup)
            shown.parent.mkdir(parents=True)
            wait_for(procs.read_text, "a process in the cgroup")
            shown.write_text(procs.read_text(encoding="ascii"), encoding="ascii")
        (self.root / "cgroup.controllers").touch()
        self.procs = next(self.root.glob(f"kubepods/*/pod{HANGING}/*/cgroup.procs"))
        self.pid = self.procs.read_text(encoding="ascii")


class UnforeseenTest(unittest.TestCase):
    """What is read of a pod does not return, for a reason that nobody knows."""

    def setUp(self):
        pods = self.enterContext(RunningPods("stuck", [HEALTHY, HANGING]))
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.tree = PlainTree(pods, self.directory)

    def block(self):
        """Whoever opens it waits for somebody to write."""
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        fifo.rename(self.tree.procs)

    def unblock(self):
        """Whoever waits reads on; the next finds a file again."""
        fifo = os.open(self.tree.procs, os.O_WRONLY)
        file = self.directory / "file"
        file.write_text(self.tree.pid, encoding="ascii")
        file.rename(self.tree.procs)
        os.close(fifo)

    def start(self, *extra):
        agent = self.enterContext(Agent(*options(self.tree.root, self.directory), *extra))
        agent.wait_until_ready()
        return agent

    def test_that_pod_alone_is_set_aside_until_it_returns(self):
        for engine in ("inet_diag", "bpf", "procfs"):
            with self.subTest(engine):
                agent = self.start("--scan.engine", engine)
                self.assertEqual({HEALTHY: None, HANGING: None}, visibility(agent))
                self.block()
                wait_for(lambda one=agent: visibility(one)[HANGING] == "hung", "the pod to be set aside")
                for _ in range(3):
                    self.assertEqual({HEALTHY: None, HANGING: "hung"}, visibility(agent))
                self.assertEqual(200, agent.get("/healthz").status)
                self.unblock()
                wait_for(lambda one=agent: visibility(one)[HANGING] is None, "the pod to be counted again")
                self.block()
                wait_for(lambda one=agent: visibility(one)[HANGING] == "hung", "the pod to be set aside")
                self.assertEqual(0, agent.stop())
                self.tree.procs.unlink()
                self.tree.procs.write_text(self.tree.pid, encoding="ascii")


class AskedTest(unittest.TestCase):
    """Somebody asks for the sockets of a pod that has begun to hang since the last scan."""

    def test_nobody_else_waits_for_the_answer(self):
        pods = self.enterContext(RunningPods("asked"))
        leaks = pods.start(
            HANGING, "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, "-B", HERE / "hold_close_wait.py",
            "inbound,close,127.0.0.1,8080,3,0", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.enterContext(leaks.stdin)
        self.assertEqual("ready\n", self.enterContext(leaks.stdout).readline())
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        tree = PlainTree(pods, directory)
        agent = self.enterContext(Agent(*options(tree.root, directory), "--scan.interval", "10m"))
        agent.wait_until_ready()
        tree.procs.unlink()
        os.mkfifo(tree.procs)  # whoever opens it waits for somebody to write
        listed = agent.get_json(f"/api/v1/pods/unknown/{HANGING}/sockets")
        self.assertEqual([None] * 3, [socket.get("process") for socket in listed["sockets"]])
        self.assertEqual(200, agent.get("/healthz").status)
        self.assertEqual(0, agent.stop())


class UnkillableTest(DeadFileSystemTest):
    """What is read of a pod does not return, and the kernel does not let go of whoever reads it."""

    def setUp(self):
        super().setUp()
        require("mount", "unshare")
        pods = self.enterContext(RunningPods("kept", [HEALTHY, HANGING]))
        self.tree = PlainTree(pods, self.directory)

    def hide(self, file):
        """The command that runs another with the dead file in the place of this one."""
        dead = self.mount()
        self.enterContext(cleaned_up(self.end_file_system))
        return ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(dead), str(file))

    def check(self, engine, file):
        """An agent does as it should, and so does the next."""
        hidden = self.hide(file)
        port = 0
        for _ in range(2):
            agent = self.enterContext(Agent(*options(self.tree.root, self.directory), "--scan.engine", engine, port=port, prefix=hidden))
            port = agent.port
            wait_for(lambda one=agent: visibility(one).get(HANGING) == "hung", "the pod to be set aside")
            for _ in range(3):
                self.assertEqual({HEALTHY: None, HANGING: "hung"}, visibility(agent))
            self.assertEqual(200, agent.get("/healthz").status)
            self.assert_ends_though_it_hangs(agent)

    def test_a_list_of_processes_by_inet_diag(self):
        self.check("inet_diag", self.tree.procs)

    def test_a_list_of_processes_by_bpf(self):
        self.check("bpf", self.tree.procs)

    def test_a_list_of_processes_by_procfs(self):
        self.check("procfs", self.tree.procs)

    def test_a_file_of_a_process(self):
        self.check("inet_diag", f"/proc/{self.tree.pid.strip()}/cgroup")

    def test_a_single_scan_ends_as_well(self):
        done = run_closewatch("scan", "--output", "json", *options(self.tree.root, self.directory), prefix=self.hide(self.tree.procs))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual({HEALTHY: True, HANGING: False},
                         {pod["pod"]: pod["visible"] for pod in json.loads(done.stdout)["pods"]})
        self.assertIn("cannot be ended and is left behind", done.stderr)


class SocketLockTest(DeadFileSystemTest):
    """A process that holds a socket's lock for ever: it sends what it has mapped of a dead file system."""

    def setUp(self):
        super().setUp()
        self.pods = self.enterContext(RunningPods("lock", [HEALTHY]))

    def hang(self):
        """Returns when a process of the pod hangs with the lock held."""
        sends = self.directory / "sends.py"
        sends.write_text(SENDS, encoding="ascii")
        self.pods.start(HANGING, sys.executable, sends, self.mount())
        self.enterContext(cleaned_up(self.end_file_system))
        self.assertEqual("asked\n", self.file_system.stdout.readline())

    def start(self, port=0):
        agent = self.enterContext(Agent(*options(self.pods.cgroup, self.directory), "--scan.engine", "inet_diag", port=port))
        agent.wait_until_ready()
        return agent

    def test_that_pod_alone_is_set_aside(self):
        agent = self.start()
        self.hang()
        wait_for(lambda: visibility(agent).get(HANGING) == "hung", "the pod to be set aside")
        for _ in range(3):
            self.assertEqual({HEALTHY: None, HANGING: "hung"}, visibility(agent))
        self.assertEqual(200, agent.get("/healthz").status)
        self.assert_ends_though_it_hangs(agent)
        agent = self.start(agent.port)
        wait_for(lambda: visibility(agent).get(HANGING) == "hung", "the pod to be set aside again")
        self.end_file_system()
        wait_for(lambda: visibility(agent)[HANGING] is None, "the pod to be counted again")
        self.assertEqual(0, agent.stop())


if __name__ == "__main__":
    unittest.main()
