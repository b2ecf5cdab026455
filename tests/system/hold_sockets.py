# SPDX-License-Identifier: Apache-2.0
"""Holds TCP connections of known states until its standard input ends.

Runs as a process of its own because a network namespace is entered for good. It says "ready" only
once the kernel shows every socket in the state it is meant to have, so that nobody has to guess
how long that takes.
"""

import contextlib
import socket
import sys
import time

BACKLOG = 64
TCP_ESTABLISHED = 1
TCP_FIN_WAIT2 = 5
TCP_CLOSE_WAIT = 8


def tcp_state(connection):
    """The first byte of struct tcp_info: the truth, whatever the calls before returned."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def reach(connection, state):
    """A FIN and its ACK need a moment even on loopback."""
    while tcp_state(connection) != state:
        time.sleep(0.001)


def listener():
    """Dual-stack where the kernel has IPv6, so that v4-mapped sockets are among those counted."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("::", 0), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
        )
    return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)


def addresses(server):
    """Both families by turns, as far as the listener has them."""
    port = server.getsockname()[1]
    if server.family == socket.AF_INET6:
        return [("127.0.0.1", port), ("::1", port)]
    return [("127.0.0.1", port)]


def hold(close_wait, connections, queued):
    """Returns everything that must stay open."""
    server = listener()
    targets = addresses(server)
    held = [server]
    for number in range(close_wait + connections):
        client = socket.create_connection(targets[number % len(targets)])
        accepted, _ = server.accept()
        held += [client, accepted]
        if number < close_wait:
            # A closed client would be an orphan, which the kernel drops after a minute.
            client.shutdown(socket.SHUT_WR)
            reach(accepted, TCP_CLOSE_WAIT)
            reach(client, TCP_FIN_WAIT2)
        else:
            reach(accepted, TCP_ESTABLISHED)
    for number in range(queued):
        held.append(socket.create_connection(targets[number % len(targets)]))
    return held


def keep(sockets):
    """Says that they are there, and keeps them open until standard input ends."""
    with contextlib.ExitStack() as stack:
        for held in sockets:
            stack.enter_context(held)
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    keep(hold(*map(int, sys.argv[1:4])))
