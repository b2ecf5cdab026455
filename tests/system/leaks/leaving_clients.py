# SPDX-License-Identifier: Apache-2.0
"""The other end of the leaking servers: clients that upload, do not wait for the answer and leave.

One more says nothing and stays, as browsers connect ahead of need.

    leaving_clients.py PORT COUNT
"""

import socket
import sys

REQUEST_BYTES = 20000  # more than a server reads ahead, less than it can receive


def main():
    port, count = map(int, sys.argv[1:])
    head = f"POST / HTTP/1.1\r\nContent-Length: {REQUEST_BYTES}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)):
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(head.ljust(REQUEST_BYTES, b"."))
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
