# SPDX-License-Identifier: Apache-2.0
"""Collects errors for a report. Each keeps its traceback, and so the frames and the connection.

    http_client_error.py PORT COUNT
"""

import http.client
import sys


def fetch(port):
    """The mistake: when the answer ends too early, read() raises and nobody calls close()."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/truncated")
    body = connection.getresponse().read()
    connection.close()
    return body


def main():
    port, count = map(int, sys.argv[1:])
    errors = []
    while len(errors) < count:
        try:
            fetch(port)
        except http.client.IncompleteRead as error:
            errors.append(error)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
