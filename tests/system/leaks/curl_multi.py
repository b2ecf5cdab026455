# SPDX-License-Identifier: Apache-2.0
"""Keeps a multi handle for the next transfers.

    curl_multi.py PORT COUNT
"""

import io
import sys

import pycurl


def transfer(multi, port, count):
    """The mistake: closes each easy handle and takes its connection for closed. Connections belong
    to the multi handle's cache, and libcurl looks at those only when the next transfer begins."""
    handles = []
    for _ in range(count):  # at the same time: one after the other they would share a connection
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, f"http://127.0.0.1:{port}/keep-alive")
        handle.setopt(pycurl.WRITEDATA, io.BytesIO())
        multi.add_handle(handle)
        handles.append(handle)
    running = count
    while running > 0:
        _, running = multi.perform()
        multi.select(1)
    for handle in handles:
        multi.remove_handle(handle)
        handle.close()


def main():
    port, count = map(int, sys.argv[1:])
    multi = pycurl.CurlMulti()
    transfer(multi, port, count)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
