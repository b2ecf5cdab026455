# SPDX-License-Identifier: Apache-2.0
"""Looks at the status of an answer, and keeps what failed for later.

    http_client_status.py PORT COUNT
"""

import http.client
import sys


def fetch(port):
    """The mistake: with "Connection: close" the socket belongs to the response, not to the
    connection, whose close() does nothing then; it stays until the body is read or closed."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/unavailable")
    response = connection.getresponse()
    connection.close()
    return response


def main():
    port, count = map(int, sys.argv[1:])
    failed = []
    while len(failed) < count:
        response = fetch(port)
        if response.status != http.client.OK:
            failed.append(response)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
