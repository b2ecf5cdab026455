# SPDX-License-Identifier: Apache-2.0
"""Serves each client on a thread of its own, with the help of a backend. Prints its port."""

import http.server
import queue
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes uploads."""

    backend = queue.SimpleQueue()  # from which no answer comes

    def do_POST(self):  # noqa: N802, the name that http.server looks for
        """The mistake: waits for the backend without a timeout, and before it reads the upload."""
        answer = self.backend.get()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(answer)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
