# SPDX-License-Identifier: Apache-2.0
"""Leaks connections one after the other, as Go's HTTP client does when bodies are not closed: steady_leak.py A_SECOND.

Its server closes at once; the client keeps each connection, with keepalive, and prints its process number. A line "stop" ends
the leak, "close" closes what was kept; both are answered by how many are kept.
"""

import os
import select
import socket
import sys


def call(server):
    """The mistake: nobody closes the connection that its peer has ended."""
    connection = socket.create_connection(server.getsockname())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    accepted, _ = server.accept()
    accepted.close()
    return connection


def main():
    pause = 1 / float(sys.argv[1])
    server = socket.create_server(("127.0.0.1", 0))
    kept = []
    leaks = True
    print(os.getpid(), flush=True)
    while True:
        asked, _, _ = select.select([sys.stdin], [], [], pause if leaks else None)
        if asked:
            if not (line := sys.stdin.readline()):
                return
            leaks = False
            while line == "close\n" and kept:
                kept.pop().close()
            print(len(kept), flush=True)
        elif leaks:
            kept.append(call(server))


if __name__ == "__main__":
    main()
