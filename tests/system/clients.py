# SPDX-License-Identifier: Apache-2.0
"""Clients of an agent by the byte, from addresses of their choice."""

import contextlib
import gzip
import os
import re
import selectors
import socket
import struct
import uuid

from agent import DEADLINE_SECONDS, cleaned_up, run

IPV6_FREEBIND = 78  # linux/in6.h; Python has no name for it


def connected(port, client="127.0.0.1", receive_buffer=None):
    """A connection from one of the loopback's addresses, or of an Ipv6Network."""
    six = ":" in client
    connection = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    if six:
        connection.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(DEADLINE_SECONDS)
    connection.bind((client, 0))
    connection.connect(("::1" if six else "127.0.0.1", port))
    return connection


def question(path, *headers, host="a"):
    """The bytes of a request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def whole_answer(connection):
    """Status and body of an answer on a connection that stays; whoever gives less fails."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            raise AssertionError(f"closed after {received!r}")
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            raise AssertionError(f"closed after {len(body)} of {length} bytes")
        body += part
    if b"gzip" in head:
        body = gzip.decompress(body)
    return int(head.split()[1]), body


def selectable(connection):
    """Whether there is something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(0))


def reset(connection):
    """Ends it by a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def begun(connections, status=200):
    """Those of them to which the beginning of such an answer has come."""
    found = []
    for connection in filter(selectable, connections):
        with contextlib.suppress(ConnectionError):
            if connection.recv(12, socket.MSG_PEEK) == f"HTTP/1.1 {status}".encode():
                found.append(connection)
    return found


class Ipv6Network(contextlib.ExitStack):
    """A network of which this machine is every address."""

    def __enter__(self):
        super().__enter__()
        self.prefix = f"fd63:7730:{os.getpid() & 0xffff:x}:{uuid.uuid4().hex[:4]}::"
        self._route = ("-6", "route", "{}", "local", f"{self.prefix}/64", "dev", "lo")
        self._change("add")
        self.enter_context(cleaned_up(self.remove))
        return self

    def _change(self, how):
        run("ip", *(word.format(how) for word in self._route))

    def remove(self):
        """Safe to call again."""
        with contextlib.suppress(AssertionError):
            self._change("del")

    def address(self, number):
        """One of it."""
        return f"{self.prefix}{number:x}"
