# SPDX-License-Identifier: Apache-2.0
"""Attacks an agent in one way, again and again until standard input ends; then says what it has done, as JSON.

Arguments: the name of the attack, the agent's ports at 127.0.0.1 and [::1], the prefix of an IPv6 network of which this machine is every
address, and the paths of what costs the agent most.
"""

import collections
import contextlib
import itertools
import json
import os
import random
import sys
import threading
import time

from clients import connected, question, reset, selectable, whole_answer

PATHS = ("/metrics", "/api/v1/pods", "/", "/api/v1/pods.tsv")
MUCH = b"a" * 200_000
WRONG = (b"hello\r\n\r\n", b"GET /\r\n\r\n", bytes.fromhex("16030102000100") + b"\r\n\r\n" * 20,
         b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
         b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         b"GET / HTTP/1.1\r\nHost: a\r\nX: " + MUCH + b"\r\n\r\n", b"GET /" + MUCH + b" HTTP/1.1\r\nHost: a\r\n\r\n",
         b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + MUCH,
         b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + MUCH,
         b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", question("/", "Content-Length: 10", "Expect: 100-continue"),
         question("/", "Expect: 100-continue"), question("/", host="evil.example"), question("http://evil.example/"))


class Attack:
    """What all attacks have in common. Each of the others is one that is done once."""

    def __init__(self, port, port6, network, dear):
        self.port, self.port6, self.network, self.dear = int(port), int(port6), network, itertools.cycle(dear)
        self.paths = itertools.cycle(PATHS)
        self.over = threading.Event()
        self.done = collections.Counter()

    def until_over(self, name):
        """Does it again and again. That connections are cut is no surprise."""
        do = getattr(self, name)
        while not self.over.is_set():
            try:
                do()
            except (OSError, AssertionError, ConnectionError):
                self.done["cut"] += 1
        return dict(self.done)

    @contextlib.contextmanager
    def crowd(self, number, addresses, receive_buffer=None):
        """So many connections."""
        with contextlib.ExitStack() as kept:
            connections = []
            for client in itertools.islice(itertools.cycle(addresses), number):
                if self.over.is_set():
                    break
                with contextlib.suppress(OSError):
                    connections.append(self.connect(client, receive_buffer))
                    kept.callback(reset, connections[-1])  # not to fill the kernel's table with TIME_WAIT
            yield connections

    def connect(self, client, receive_buffer=None):
        """One more."""
        self.done["connections"] += 1
        return connected(self.port6 if ":" in client else self.port, client, receive_buffer)

    def ask(self, connection, path, *headers):
        """One request."""
        self.done["requests"] += 1
        connection.sendall(question(path, *headers))

    @staticmethod
    def take(connection, answers):
        """Reads so many."""
        received = bytearray()
        while received.count(b"HTTP/1.1 ") < answers:
            part = connection.recv(1 << 20)
            if not part:
                raise ConnectionResetError()
            received += part

    def read_and_idle(self):
        """Reads everything, packed and not, and keeps the connection."""
        with self.crowd(100, [f"127.1.1.{number}" for number in range(1, 100)]) as connections:
            for connection, coding in zip(connections, itertools.cycle(("gzip", "identity"))):
                with contextlib.suppress(OSError, AssertionError):
                    self.ask(connection, next(self.paths), f"Accept-Encoding: {coding}")
                    whole_answer(connection)
            self.over.wait(2)

    def read_nothing(self):
        """Asks for much and takes nothing of it."""
        with self.crowd(100, ("127.1.2.1", "127.1.2.2"), receive_buffer=2048) as connections:
            for connection in connections:
                with contextlib.suppress(OSError):
                    self.ask(connection, next(self.paths))
            self.over.wait(3)

    def read_slowly(self):
        """Takes a little of its answers now and then, from more addresses than there are connections."""
        connections = []
        for client in [f"127.1.3.{number}" for number in range(1, 151)]:
            with contextlib.suppress(OSError):
                connections.append(self.connect(client, 2048))
                self.ask(connections[-1], next(self.paths))
        end = time.monotonic() + 15
        while connections and time.monotonic() < end and not self.over.wait(0.1):
            for connection in list(connections):
                try:
                    if not selectable(connection) or connection.recv(500):
                        continue
                except OSError:
                    pass
                connections.remove(connection)
                connection.close()
        for connection in connections:
            reset(connection)

    def connect_and_go(self):
        """Comes and goes without a word."""
        for client in [f"127.1.4.{number}" for number in range(1, 200)]:
            reset(self.connect(client))

    def ask_again_and_again(self):
        """Many requests at once on connections that stay."""
        with self.crowd(20, [f"127.1.5.{number}" for number in range(1, 6)]) as connections:
            for _ in range(20):
                for connection in connections:
                    with contextlib.suppress(OSError, AssertionError):
                        for _ in range(10):
                            self.ask(connection, next(self.paths), "Accept-Encoding: gzip")
                        self.take(connection, 10)
                if self.over.is_set():
                    break

    def be_wrong(self):
        """Sends what is no request, or too large a one."""
        for request in (*WRONG, os.urandom(4096), question("/" + "%2e" * random.randrange(3000))):
            with contextlib.suppress(OSError, AssertionError):
                connection = self.connect(f"127.1.6.{random.randrange(1, 250)}")
                connection.settimeout(2)
                try:
                    self.done["requests"] += 1
                    connection.sendall(request)
                    connection.recv(65536)
                finally:
                    reset(connection)

    def send_slowly(self):
        """A byte of a request now and then, on as many connections as there may be."""
        with self.crowd(200, [f"127.1.7.{number}" for number in range(1, 60)]) as connections:
            for byte in question("/metrics", "X: " + "a" * 60):
                for connection in connections:
                    with contextlib.suppress(OSError):
                        connection.sendall(bytes([byte]))
                if self.over.wait(0.3):
                    break

    def look_up(self):
        """Asks for what makes the agent look through the pods' descriptors."""
        connection = self.connect(f"127.1.8.{random.randrange(1, 250)}")
        try:
            for _ in range(20):
                self.ask(connection, next(self.dear))
                whole_answer(connection)
        finally:
            reset(connection)

    def be_many(self):
        """Is all addresses of an IPv6 network, and takes nothing."""
        clients = [f"{self.network}{random.getrandbits(64) >> 48:x}:{random.getrandbits(48) >> 32:x}" for _ in range(150)]
        with self.crowd(150, clients, receive_buffer=2048) as connections:
            for connection in connections:
                with contextlib.suppress(OSError):
                    self.ask(connection, next(self.paths))
            self.over.wait(2)


def main():
    """Until standard input ends."""
    name, port, port6, network, *dear = sys.argv[1:]
    attack = Attack(port, port6, network, dear)
    done = []
    thread = threading.Thread(target=lambda: done.append(attack.until_over(name)))
    thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    attack.over.set()
    thread.join()
    print(json.dumps(done[0]))


if __name__ == "__main__":
    main()
