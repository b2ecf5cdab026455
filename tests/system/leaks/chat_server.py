# SPDX-License-Identifier: Apache-2.0
"""A chat room. Prints its port."""

import socket
import sys
import threading


class Room:
    """Those who are connected, so that each can be told what the others say."""

    def __init__(self):
        self._members = []

    def serve(self, member):
        """The mistake: who has left stays a member, and the connection is never closed."""
        self._members.append(member)
        while member.recv(4096):
            pass


def main():
    room = Room()
    server = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            member, _ = server.accept()
            threading.Thread(target=room.serve, args=(member,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
