# SPDX-License-Identifier: Apache-2.0
"""Keeps connections for the next requests.

    http_client_pool.py PORT COUNT
"""

import http.client
import sys


class Pool:
    """The mistake: no idle connection is ever looked at, so none that the server closed goes."""

    def __init__(self):
        self._idle = []

    def fetch(self, connection):
        """Reads the whole answer and keeps the connection."""
        connection.request("GET", "/keep-alive")
        body = connection.getresponse().read()
        self._idle.append(connection)
        return body


def main():
    port, count = map(int, sys.argv[1:])
    pool = Pool()
    for _ in range(count):
        pool.fetch(http.client.HTTPConnection("127.0.0.1", port))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
