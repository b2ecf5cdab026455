# SPDX-License-Identifier: Apache-2.0
"""Pods as the kubelet lays them out: real cgroups, each with a process in a network namespace of its own."""

import contextlib
import os
import pathlib
import subprocess
import uuid

from agent import cleaned_up, remove_cgroup, require, wait_for


def cgroup_top():
    """The v2 hierarchy, which is below the others where there are others."""
    unified = "/sys/fs/cgroup/unified"
    return unified if os.path.isdir(unified) else "/sys/fs/cgroup"


class RunningPods(contextlib.ExitStack):
    """Pods below a cgroup that only the tests of one module know, for `--paths.cgroup`."""

    def __init__(self, name, uids=()):
        super().__init__()
        self._uids = uids
        self._name = f"/cwtest-{name}-{os.getpid()}"
        self.cgroup = cgroup_top() + self._name

    def __enter__(self):
        super().__enter__()
        require("unshare", "sleep")
        self.enter_context(cleaned_up(
            lambda: wait_for(lambda: remove_cgroup(self._name), f"{self.cgroup} to be removed")))
        processes = [self._begin(uid) for uid in self._uids]
        wait_for(lambda: all(map(self._is_there, processes)), "the pods' processes")
        return self

    def start(self, uid, *command, host_network=False, **other):
        """Starts another, or another container of one, whose process is `command`; `other` is for Popen. Returns it."""
        process = self._begin(uid, *command, host_network=host_network, **other)
        wait_for(lambda: self._is_there(process, host_network), f"the process of {uid}")
        return process

    def _is_there(self, process, host_network=False):
        """In its cgroup and its network, or gone already."""
        try:
            cgroup = pathlib.Path(f"/proc/{process.pid}/cgroup").read_text(encoding="ascii")
            network = os.stat(f"/proc/{process.pid}/ns/net").st_ino
        except OSError:
            return process.poll() is not None
        return self._name in cgroup and (host_network or network != os.stat("/proc/self/ns/net").st_ino)

    def _begin(self, uid, *command, host_network=False, **other):
        directory = f"{self.cgroup}/kubepods/besteffort/pod{uid}/{uuid.uuid4().hex * 2}"
        os.makedirs(directory)
        process = subprocess.Popen(
            ["sh", "-c", f'echo $$ >{directory}/cgroup.procs && exec "$@"', "sh",
             *(() if host_network else ("unshare", "--net")), *map(str, command or ("sleep", "100000"))],
            **other)

        def end():
            process.kill()
            process.wait()
        self.enter_context(cleaned_up(end))
        return process
