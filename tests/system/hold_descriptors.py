# SPDX-License-Identifier: Apache-2.0
"""Holds sockets in CLOSE_WAIT, each process behind as many other descriptors as it may have, until standard input ends.

Arguments: how many processes, and how many descriptors each, all but a few of which are /dev/null.
"""

import os
import resource
import signal
import sys

from hold_sockets import hold, keep

ROOM = 100  # for what is opened beside them


def fill(descriptors):
    """As many as asked for."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if descriptors + ROOM > hard:
        sys.exit(f"{descriptors} descriptors are more than this process may have ({hard})")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    null = os.open("/dev/null", os.O_RDONLY)
    for _ in range(descriptors - 1):
        os.dup(null)


def helper(descriptors):
    """Another process with its own; it ends with this one. Returns what can be read once it has them."""
    ready, has_them = os.pipe()
    if os.fork() == 0:
        os.close(ready)
        os.setsid()
        # So that it ends with its parent, however that ends: PR_SET_PDEATHSIG.
        __import__("ctypes").CDLL(None).prctl(1, signal.SIGKILL)
        fill(descriptors)
        os.write(has_them, b"!")
        signal.pause()
    os.close(has_them)
    return ready


if __name__ == "__main__":
    processes, descriptors = map(int, sys.argv[1:3])
    for ready in [helper(descriptors) for _ in range(processes - 1)]:
        if os.read(ready, 1) != b"!":
            sys.exit("a process could not have them")
    fill(descriptors)
    keep(hold(4, 0, 0))
