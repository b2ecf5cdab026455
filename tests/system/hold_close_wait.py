"""Holds sockets in CLOSE_WAIT of known kinds until its standard input ends.

Each argument asks for some: DIRECTION,AWAITING,ADDRESS,PORT,SOCKETS,UNREAD_BYTES, as closewatch
names the first two. A server listens on address and port. Who connects to it leaks an outbound
connection, or it leaks an inbound one itself; the other end has sent the unread bytes and then its
FIN, and stays.
"""

import socket
import sys

from hold_sockets import TCP_FIN_WAIT2, keep, reach


def listener(address, port, backlog):
    """IPv6 for a v4-mapped address, too: both ends then have such addresses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=backlog,
                                dualstack_ipv6=family == socket.AF_INET6)


def end(sender, unread_bytes):
    """Returns once the FIN is acknowledged, which is when the other end is in CLOSE_WAIT."""
    sender.sendall(bytes(unread_bytes))
    sender.shutdown(socket.SHUT_WR)
    reach(sender, TCP_FIN_WAIT2)


def leak(server, direction, awaiting, unread_bytes):
    """One connection; returns what must stay open."""
    client = socket.create_connection(server.getsockname()[:2])
    if awaiting == "accept":
        end(client, unread_bytes)
        return [client]
    accepted, _ = server.accept()
    leaker, sender = (accepted, client) if direction == "inbound" else (client, accepted)
    end(sender, unread_bytes)
    if awaiting == "close":
        while leaker.recv(65536):
            pass
    return [client, accepted]


def hold(direction, awaiting, address, port, sockets, unread_bytes):
    """Returns everything that must stay open."""
    server = listener(address, int(port), int(sockets))
    held = [server]
    for _ in range(int(sockets)):
        held += leak(server, direction, awaiting, int(unread_bytes))
    return held


if __name__ == "__main__":
    keep([held for argument in sys.argv[1:] for held in hold(*argument.split(","))])
