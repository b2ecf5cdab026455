# SPDX-License-Identifier: Apache-2.0
"""Takes uploads, one after the other. Prints its port."""

import socketserver
import sys
import threading


class Handler(socketserver.StreamRequestHandler):
    """An upload ends where the client closes."""

    def handle(self):
        """The mistake: no timeout, on the thread that also accepts; one silent client stops all."""
        self.rfile.read()


def main():
    server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
