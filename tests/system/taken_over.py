# SPDX-License-Identifier: Apache-2.0
"""A process that somebody else makes system calls in, by ptrace(2), as whoever has taken it over would: nothing of it is
there for the test. On x86-64, whose registers these are."""

import ctypes
import os
import pathlib
import re
import signal
import struct

ATTACH, SINGLESTEP, GETREGS, SETREGS, DETACH = 16, 9, 12, 13, 17
SYSCALL = b"\x0f\x05"
WALL = 0x40000000

FIELDS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es "
          "fs gs").split()
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")


class Registers(ctypes.Structure):
    """struct user_regs_struct of sys/user.h."""
    _fields_ = [(name, ctypes.c_uint64) for name in FIELDS]


_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, pid, data=None):
    """ptrace(2); raises OSError."""
    if _ptrace(request, pid, None, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request}: {os.strerror(number)}")


def system_call_numbers():
    """By name, as the kernel's own header has them."""
    header = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h").read_text(encoding="ascii")
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header)}


class TakenOver:
    """A process whose main thread waits in a system call, for as long as the block takes."""

    def __init__(self, pid):
        self._pid = pid
        self._numbers = system_call_numbers()

    def __enter__(self):
        ptrace(ATTACH, self._pid)
        os.waitpid(self._pid, WALL)
        self._before = self._registers()
        self._memory = os.open(f"/proc/{self._pid}/mem", os.O_RDWR)
        self._call_at = self._before.rip - len(SYSCALL)  # where it waits
        assert os.pread(self._memory, len(SYSCALL), self._call_at) == SYSCALL
        return self

    def __exit__(self, *_):
        os.close(self._memory)
        ptrace(SETREGS, self._pid, ctypes.addressof(self._before))
        ptrace(DETACH, self._pid)

    def _registers(self):
        registers = Registers()
        ptrace(GETREGS, self._pid, ctypes.addressof(registers))
        return registers

    def call(self, name, *arguments):
        """What the system call returns there: -errno when it fails. Texts and bytes are put onto its stack."""
        registers = Registers.from_buffer_copy(self._before)
        free = self._before.rsp - (1 << 14)
        for register, argument in zip(ARGUMENTS, arguments):
            if isinstance(argument, (str, bytes)):
                data = argument.encode() + b"\0" if isinstance(argument, str) else argument
                os.pwrite(self._memory, data, free)
                argument, free = free, free + (len(data) + 15) // 16 * 16
            setattr(registers, register, argument & (1 << 64) - 1)
        registers.rax, registers.rip = self._numbers[name], self._call_at
        registers.orig_rax = (1 << 64) - 1  # or the kernel would begin the call anew that was interrupted
        ptrace(SETREGS, self._pid, ctypes.addressof(registers))
        ptrace(SINGLESTEP, self._pid)
        _, status = os.waitpid(self._pid, WALL)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTRAP, hex(status)
        return struct.unpack("q", struct.pack("Q", self._registers().rax))[0]
