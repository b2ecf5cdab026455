# SPDX-License-Identifier: Apache-2.0
"""Makes sockets as hold_close_wait.py in the network namespace of the file that comes first, and goes home with them.

So does a proxy that serves the pods of a node from a namespace of its own (Istio ambient's ztunnel).
"""

import ctypes
import itertools
import os
import sys

from hold_close_wait import hold
from hold_sockets import keep

CLONE_NEWNET = 0x40000000


def enter(namespace):
    """A descriptor of it."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


if __name__ == "__main__":
    home, elsewhere = (os.open(path, os.O_RDONLY) for path in ("/proc/self/ns/net", sys.argv[1]))
    enter(elsewhere)
    sockets = list(itertools.chain.from_iterable(hold(*argument.split(",")) for argument in sys.argv[2:]))
    enter(home)
    keep(sockets)
