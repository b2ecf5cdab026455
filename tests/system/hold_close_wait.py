# SPDX-License-Identifier: Apache-2.0
"""Holds sockets in CLOSE_WAIT of known kinds until its standard input ends.

Each argument asks for some: DIRECTION,OWES,ADDRESS,PORT,SOCKETS,UNREAD_BYTES, as closewatch
names the first two. A server listens on address and port. Who connects to it leaks an outbound
connection, or it leaks an inbound one itself; the other end has sent the unread bytes and then its
FIN, and stays.
"""

import itertools
import socket
import sys

from hold_sockets import TCP_FIN_WAIT2, keep, reach


def listener(address, port, backlog):
    """IPv6 for a v4-mapped address, too: both ends then have such addresses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=backlog,
                                dualstack_ipv6=family == socket.AF_INET6)


def leak(server, direction, owes, unread_bytes):
    """One connection; returns what must stay open, the end that has sent its FIN first."""
    client = socket.create_connection(server.getsockname()[:2])
    sender, leaker = client, None
    if owes != "accept":
        accepted, _ = server.accept()
        sender, leaker = (client, accepted) if direction == "inbound" else (accepted, client)
    sender.sendall(bytes(unread_bytes))
    sender.shutdown(socket.SHUT_WR)
    if leaker is None:
        return [sender]
    if owes == "close":
        while leaker.recv(65536):
            pass
    return [sender, leaker]


def hold(direction, owes, address, port, sockets, unread_bytes):
    """Returns everything that must stay open."""
    server = listener(address, int(port), int(sockets))
    leaks = [leak(server, direction, owes, int(unread_bytes)) for _ in range(int(sockets))]
    for sender, *_ in leaks:
        reach(sender, TCP_FIN_WAIT2)  # its FIN is acknowledged: the other end is in CLOSE_WAIT
    return [server, *itertools.chain.from_iterable(leaks)]


if __name__ == "__main__":
    keep(itertools.chain.from_iterable(hold(*argument.split(",")) for argument in sys.argv[1:]))
