# SPDX-License-Identifier: Apache-2.0
"""The other end of the leaks: an HTTP server that closes first.

Prints its port. The connections that it keeps alive it closes for a line on its standard input,
and says so: closing them after some time, as others do, would race with the client that reads.
"""

import contextlib
import http.server
import socket
import sys
import threading

# Of the long answer with its headers: more than a client reads ahead, less than it can receive.
ANSWER_BYTES = 60000


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path ends a connection in a way of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802, the name that http.server looks for
        """Answers as the path says."""
        if self.path == "/keep-alive":
            self.server.kept_alive.append(self.connection)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            return
        self.close_connection = True
        if self.path == "/truncated":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
        else:
            head = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n"
            self.wfile.write(head.ljust(ANSWER_BYTES, b"."))

    def log_message(self, *_):
        """The sockets tell what happened."""


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.kept_alive = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    while sys.stdin.readline():
        while server.kept_alive:
            with contextlib.suppress(OSError):  # a client without a mistake has closed it itself
                server.kept_alive.pop().shutdown(socket.SHUT_RDWR)  # its thread then closes it
        print("closed", flush=True)


if __name__ == "__main__":
    main()
