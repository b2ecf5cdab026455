# SPDX-License-Identifier: Apache-2.0
"""Memory as Kubernetes counts it: that of a cgroup, with what the kernel keeps for its connections."""

import contextlib
import os
import pathlib
import uuid

from agent import cleaned_up, wait_for


class MemoryCgroup(contextlib.ExitStack):
    """A cgroup that counts the memory of whoever is started in it, and limits it where it is told to."""

    def __init__(self, limit=None):
        super().__init__()
        self._limit = limit

    def __enter__(self):
        super().__enter__()
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self._is_v1 = v1.is_dir() and (v1 / "memory.usage_in_bytes").exists() or (v1 / "tasks").exists()
        self.directory = (v1 if self._is_v1 else pathlib.Path("/sys/fs/cgroup")) / f"cwtest-crowd-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.directory.mkdir()
        self.enter_context(cleaned_up(self.remove))
        if self._limit:
            (self.directory / ("memory.limit_in_bytes" if self._is_v1 else "memory.max")).write_text(str(self._limit), encoding="ascii")
        if self._is_v1:  # socket memory is counted only where it has a limit
            with contextlib.suppress(OSError):
                (self.directory / "memory.kmem.tcp.limit_in_bytes").write_text(str(1 << 40), encoding="ascii")
        return self

    def remove(self):
        """Safe to call again."""
        if self.directory.exists():
            wait_for(lambda: not (self.directory / "cgroup.procs").read_text(encoding="ascii"), "the cgroup to be empty")
            self.directory.rmdir()

    def entering(self):
        """The command that runs another in here."""
        return ("sh", "-c", f'echo $$ >{self.directory}/cgroup.procs && exec "$@"', "sh")

    def killed(self):
        """How many processes the kernel has ended for want of memory."""
        events = (self.directory / ("memory.oom_control" if self._is_v1 else "memory.events")).read_text(encoding="ascii")
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])

    def peak(self):
        """The most bytes that it has had."""
        files = ("memory.max_usage_in_bytes", "memory.kmem.tcp.max_usage_in_bytes") if self._is_v1 else ("memory.peak",)
        return sum(int((self.directory / file).read_text(encoding="ascii")) for file in files)
