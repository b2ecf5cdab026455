# SPDX-License-Identifier: Apache-2.0
"""What talks to the network is a process of its own, that may do nothing else: whoever takes it over is refused the rest by
the kernel, and what it tells the scanner is checked."""

import contextlib
import ctypes
import errno
import os
import pathlib
import platform
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from agent import Agent, has_ended, select, wait_for  # noqa: E402
from taken_over import TakenOver, system_call_numbers  # noqa: E402

REFUSALS = (-errno.EPERM, -errno.EACCES)
AT_FDCWD = -100
CLONE_NEWUSER, CLONE_NEWNET, SIGCHLD = 0x10000000, 0x40000000, 17
CLONE_SIGHAND = 0x800  # without CLONE_VM no kernel takes it
PTRACE_SEIZE = 0x4206
SO_ATTACH_FILTER, F_SETOWN, PR_SET_PDEATHSIG = 26, 8, 1
NOBODY = -1  # no descriptor: who may make the call is told so


def has_landlock():
    """Whether the kernel has it, switched on."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


def attempts(scanner, directory):
    """What whoever takes the network's process over would try: a name for people, and the system call."""
    iov = struct.pack("QQ", 0x1000, 8)
    yield "enter a network namespace", "setns", NOBODY, CLONE_NEWNET
    yield "make a namespace", "unshare", CLONE_NEWNET
    yield "write a file of the machine", "openat", AT_FDCWD, "/etc/passwd", os.O_WRONLY
    yield "append to it", "openat", AT_FDCWD, "/etc/passwd", os.O_RDWR | os.O_APPEND
    yield "make a file", "openat", AT_FDCWD, f"{directory}/made", os.O_WRONLY | os.O_CREAT, 0o600
    yield "make a file without a name", "openat", AT_FDCWD, directory, os.O_WRONLY | os.O_TMPFILE, 0o600
    yield "make a directory", "mkdir", f"{directory}/nowhere/made", 0o700
    yield "rename", "rename", f"{directory}/none", f"{directory}/other"
    yield "remove", "unlink", f"{directory}/none"
    yield "change a mode", "chmod", f"{directory}/none", 0o777
    yield "open by openat2, whose flags no filter sees", "openat2", AT_FDCWD, "/etc/hostname", bytes(24), 24
    yield "trace the scanner", "ptrace", PTRACE_SEIZE, scanner, 0, 0
    yield "read the scanner's memory", "process_vm_readv", scanner, iov, 1, iov, 1, 0
    yield "write the scanner's memory", "process_vm_writev", scanner, iov, 1, iov, 1, 0
    yield "signal the scanner", "kill", scanner, 0
    yield "signal a thread of the scanner", "tgkill", scanner, scanner, 0
    yield "queue a signal for the scanner", "rt_sigqueueinfo", scanner, 0, struct.pack("iii", 0, 0, -1) + bytes(116)
    yield "open a handle of the scanner", "pidfd_open", scanner, 0
    yield "signal by a handle", "pidfd_send_signal", NOBODY, 0, 0, 0
    yield "take a descriptor of another process", "pidfd_getfd", NOBODY, 0, 0
    yield "have signals sent to another", "fcntl", NOBODY, F_SETOWN, scanner
    yield "outlive the scanner", "prctl", PR_SET_PDEATHSIG, 0
    yield "slow the scanner down", "setpriority", 0, scanner, 19
    yield "change limits of the scanner", "prlimit64", scanner, 7, 0, 0
    yield "execute", "execve", f"{directory}/none", 0, 0
    yield "execute a descriptor", "execveat", NOBODY, "", 0, 0, 0
    yield "fork", "clone", SIGCHLD | CLONE_SIGHAND, 0, 0, 0, 0
    yield "load a program for the kernel", "bpf", 0, bytes(128), 128
    yield "load a filter into the kernel", "setsockopt", NOBODY, socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(16), 16
    yield "load a module", "init_module", 0, 0, ""
    yield "load a kernel", "kexec_load", 0, 0, 0, -1
    yield "watch the kernel", "perf_event_open", bytes(128), 0, -1, -1, 1 << 62
    yield "mount", "mount", "none", f"{directory}/none", "tmpfs", 0, 0
    yield "unmount", "umount2", f"{directory}/none", 0
    yield "change the root", "chroot", f"{directory}/none"
    yield "ask for sockets (inet_diag)", "socket", socket.AF_NETLINK, socket.SOCK_RAW, 4
    yield "send packets of one's own making", "socket", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP
    yield "see all packets", "socket", socket.AF_PACKET, socket.SOCK_RAW, 0
    yield "talk to services of the machine", "socket", socket.AF_UNIX, socket.SOCK_STREAM, 0
    yield "connect somewhere", "socket", socket.AF_INET, socket.SOCK_STREAM, 0
    yield "listen elsewhere", "bind", NOBODY, bytes(16), 16
    yield "make a program of memory", "mmap", 0, 4096, 7, 0x22, -1, 0
    yield "make a user namespace", "unshare", CLONE_NEWUSER  # near the end: in it one has lost the rest
    yield "become somebody else", "setuid", 65534


def readings(scanner):
    """Files that whoever has the agent's user could read: that is up to Landlock."""
    for path in ("/etc/passwd", "/etc/shadow", f"/proc/{scanner}/root", f"/proc/{scanner}/mem", f"/proc/{scanner}/environ",
                 f"/proc/{scanner}/ns/net", f"/proc/{scanner}/root/etc/passwd", "/"):
        yield f"read {path}", "openat", AT_FDCWD, path, os.O_RDONLY


def socket_to_scanner(pid):
    """The descriptor that joins the two: the network's only UNIX socket."""
    unix = {line.split()[6] for line in pathlib.Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))
        if match and match[1] in unix and int(link.name) > 2:
            return int(link.name)
    raise AssertionError("there is none")


def message(kind, content=b""):
    """As the two send them."""
    return struct.pack("=IB", len(content) + 1, kind) + content


def status_of(pid):
    """/proc/PID/status, by name."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


class ConfinedTest(unittest.TestCase):
    """What it has left."""

    def test_it_has_no_capabilities_and_can_gain_none(self):
        with Agent() as agent:
            status = status_of(agent.network())
            scanner = status_of(agent.worker())
            facts = {dict(labels)["means"]: value for labels, value in select(agent.metrics(), "closewatch_confined").items()}
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(0, int(status[name], 16), name)
        self.assertEqual(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]))
        self.assertEqual("closewatch-net", status["Name"])
        self.assertNotEqual(0, int(scanner["CapEff"], 16))
        self.assertEqual({"capabilities": 1, "system_calls": 1, "files": int(has_landlock())}, facts)

    def test_the_scanner_has_no_socket_of_the_network(self):
        with Agent() as agent:
            agent.wait_until_ready()
            for protocol in ("tcp", "tcp6", "udp", "udp6"):
                lines = pathlib.Path(f"/proc/{agent.worker()}/net/{protocol}").read_text(encoding="ascii").splitlines()[1:]
                inodes = {f"socket:[{line.split()[9]}]" for line in lines}
                for link in pathlib.Path(f"/proc/{agent.worker()}/fd").iterdir():
                    with contextlib.suppress(FileNotFoundError):
                        self.assertNotIn(os.readlink(link), inodes)


@unittest.skipUnless(platform.machine() == "x86_64", "registers are those of x86-64")
class TakenOverTest(unittest.TestCase):
    """Somebody makes system calls in it. The same are made in a process of root's that nobody has confined, where none may
    be refused: else the test would show nothing."""

    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())

    def sleeper(self):
        """A process like any other."""
        process = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for(lambda: self.waits_in(process.pid) == "clock_nanosleep", "it to sleep")
        return process.pid

    @staticmethod
    def waits_in(pid):
        """In which system call."""
        number = pathlib.Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").split()[0]
        return {str(known): name for name, known in system_call_numbers().items()}.get(number)

    def check(self, of):
        """Of each call that is made in both."""
        victim = self.sleeper()
        with TakenOver(self.sleeper()) as free:
            for name, *call in of(victim):
                with self.subTest(f"{name}, unconfined"):
                    self.assertNotIn(free.call(*call), REFUSALS)
        with Agent() as agent:
            agent.wait_until_ready()
            with TakenOver(agent.network()) as taken:
                for name, *call in of(agent.worker()):
                    with self.subTest(name):
                        self.assertIn(taken.call(*call), REFUSALS)
            agent.fresh_metrics()  # and both are as they were
            self.assertEqual(0, agent.stop())

    def test_it_may_do_nothing_but_serve(self):
        self.check(lambda scanner: attempts(scanner, self.directory))

    @unittest.skipUnless(has_landlock(), "this kernel has no Landlock")
    def test_it_may_read_nothing(self):
        self.check(readings)

    def say(self, *messages):
        """To the scanner, in the network's place. How the agent ends, and its log."""
        with Agent() as agent:
            agent.wait_until_ready()
            network = agent.network()
            descriptor = socket_to_scanner(network)
            with TakenOver(network) as taken:
                for said in messages:
                    self.assertEqual(len(said), taken.call("write", descriptor, said, len(said)))
            wait_for(lambda: not agent.is_alive(), "the agent to end")
            self.assertEqual(1, agent.stop())
            self.assertTrue(has_ended(network))
            return "\n".join(agent.log)

    def test_what_it_must_not_say_ends_the_agent(self):
        names = 2
        for what, said in {"a kind that is none": message(9), "an empty message": struct.pack("=I", 0),
                           "one that is too long": struct.pack("=I", 1 << 31),
                           "names that are none": message(names, b"\xff" * 64),
                           "a name that Kubernetes does not allow": message(names, struct.pack(
                               "=IIcII2s", 1, 1, b"u", 0, 2, b"a\n") + bytes(16)),
                           "a question without an end": message(3, b"\1")}.items():
            with self.subTest(what):
                self.assertIn("has sent what it must not", self.say(said))


@unittest.skipUnless(platform.machine() == "x86_64", "numbers are those of x86-64")
class MissingMeansTest(unittest.TestCase):
    """On a kernel that lacks a means it says so, and serves."""

    def check(self, call, means, line):
        prefix = (sys.executable, "-B", str(HERE / "without_system_call.py"), str(system_call_numbers()[call]))
        with Agent(prefix=prefix) as agent:
            agent.wait_until_ready()
            facts = {dict(labels)["means"]: value for labels, value in select(agent.metrics(), "closewatch_confined").items()}
            self.assertEqual([means], [name for name, value in facts.items() if value == 0])
            (said,) = [text for text in agent.log if line in text]
            self.assertIn(" warning ", said)
            self.assertEqual(0, agent.stop())

    @unittest.skipUnless(has_landlock(), "this kernel has no Landlock anyway")
    def test_landlock(self):
        self.check("landlock_create_ruleset", "files", "the kernel has no Landlock, which came with Linux 5.13: the network's")

    def test_privileges(self):
        """What a profile of a container's runtime may refuse."""
        self.check("capset", "capabilities", "the network's process keeps the agent's capabilities")


class EndTest(unittest.TestCase):
    """Neither is without the other."""

    def test_when_it_ends_the_agent_ends_and_says_so(self):
        with Agent() as agent:
            agent.wait_until_ready()
            network = agent.network()
            os.kill(network, signal.SIGKILL)
            wait_for(lambda: not agent.is_alive(), "the agent to end")
            self.assertEqual(1, agent.stop())
        self.assertIn(f"process {network} was ended by signal 9", agent.log[-1])

    def test_when_the_scanner_ends_nobody_serves_any_more(self):
        with Agent() as agent:
            agent.wait_until_ready()
            network = agent.network()
            os.kill(agent.worker(), signal.SIGKILL)
            wait_for(lambda: not agent.is_alive(), "the agent to end")
            wait_for(lambda: has_ended(network), "the network's process to end")
            self.assertEqual(-signal.SIGKILL, agent.stop())
        self.assertIn("the process that scans was ended by signal 9", agent.log[-1])

    def test_signals_that_all_get_end_it_well(self):
        """As systemd sends them: to each process of the service."""
        with Agent() as agent:
            agent.wait_until_ready()
            for pid in (agent.network(), agent.worker(), agent.process.pid):
                os.kill(pid, signal.SIGTERM)
            self.assertEqual(0, agent.stop())
        self.assertNotIn("no more", "\n".join(agent.log))


if __name__ == "__main__":
    unittest.main()
