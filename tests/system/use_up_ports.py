# SPDX-License-Identifier: Apache-2.0
"""Connects to a listener of its own, until the kernel has no local port left: `use_up_ports.py PORT`."""

import errno
import socket
import sys

server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1000)
held = []
try:
    while True:
        held.append(socket.create_connection(server.getsockname()))
        held.append(server.accept()[0])
except OSError as error:
    if error.errno != errno.EADDRNOTAVAIL:
        raise
print("ready", flush=True)
sys.stdin.read()
