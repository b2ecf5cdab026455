# SPDX-License-Identifier: Apache-2.0
"""Calls a server with keepalive, as Go's HTTP client does by itself: keepalive_client.py PORT COUNT."""

import socket
import sys


def call(port):
    """The mistake: the answer is read to its end, and the connection is kept."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.sendall(b"GET /unavailable HTTP/1.0\r\n\r\n")
    while connection.recv(65536):
        pass
    return connection


def main():
    port, count = map(int, sys.argv[1:])
    kept = [call(port) for _ in range(count)]
    print("ready", flush=True)
    sys.stdin.readline()
    while kept:
        kept.pop().close()
    print("closed", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
