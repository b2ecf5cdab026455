"""A pod that hangs costs no other pod its numbers, nor the agent its end."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import HERE, STANDALONE, Agent, cleaned_up, require, run_closewatch, select, wait_for  # noqa: E402
from running_pods import RunningPods  # noqa: E402

HEALTHY, HANGING = str(uuid.uuid4()), str(uuid.uuid4())
# Opens the file, waits for a line, and maps the file.
MAPS = "import mmap, sys; file = open(sys.argv[1]); print(flush=True); input(); mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)"


def state_of(pid):
    """The letter in /proc/PID/stat."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


class DeadFileSystemTest(unittest.TestCase):
    """On a machine with a dead file system."""

    def setUp(self):
        require("umount")
        if not os.path.exists("/dev/fuse"):
            self.skipTest("there is no /dev/fuse")
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
        agent = Agent(
            "--pods.discovery", "kubernetes", "--paths.cgroup", self.pods.cgroup, "--metadata.source", "logs",
            "--paths.pod_logs", str(self.directory), "--paths.container_logs", str(self.directory))
        self.enterContext(agent)
        self.enterContext(cleaned_up(self.end_file_system))
        agent.wait_until_ready()
        self.hang()
        for _ in range(2):
            visible = {dict(labels)["pod"]: value
                       for labels, value in select(agent.fresh_metrics(), "closewatch_pod_visible").items()}
            self.assertEqual({HEALTHY: 1, HANGING: 1}, visible)
        self.assertEqual(200, agent.get("/healthz").status)
        self.assertEqual(0, agent.stop())


if __name__ == "__main__":
    unittest.main()
