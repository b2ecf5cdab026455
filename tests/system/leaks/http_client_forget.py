# SPDX-License-Identifier: Apache-2.0
"""Sends notifications.

    http_client_forget.py PORT COUNT
"""

import http.client
import sys


class Notifier:
    """The mistake: nobody wants the answers, so nobody reads them, and they stay in the kernel."""

    def __init__(self, port):
        self._port = port
        self._sent = []

    def notify(self):
        """Fires and forgets."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", "/unavailable")
        self._sent.append(connection)


def main():
    port, count = map(int, sys.argv[1:])
    notifier = Notifier(port)
    for _ in range(count):
        notifier.notify()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
