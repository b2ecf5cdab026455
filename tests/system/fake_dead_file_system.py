# SPDX-License-Identifier: Apache-2.0
"""A file system whose server takes a read and never answers it, as that of a dead NFS or FUSE server:

    fake_dead_file_system.py DIRECTORY     mounts it there, and says so; it has one file, "file". Says when it was asked.

What is opened first is read directly (FOPEN_DIRECT_IO), what is opened later by way of the page cache. So who maps the file
as the first opener waits, with its mmap lock held, for a page that the second opener is reading for ever
(fuse_direct_mmap → invalidate_inode_pages2(), fs/fuse/file.c and mm/truncate.c). It all ends with this process.

The protocol is that of include/uapi/linux/fuse.h.
"""

import ctypes
import os
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT = 1, 2, 3, 14, 15, 17, 18, 25, 26
INTERRUPT, BATCH_FORGET = 36, 42
ROOT, FILE = 1, 2
DIRECT_IO = 1
SIZE = 4096
FOR_LONG = 3600  # seconds for which names and attributes are valid
ENOSYS = 38


def attributes(node):
    """struct fuse_attr"""
    is_file = node == FILE
    mode, links = (0o100444, 1) if is_file else (0o40555, 2)
    times, nanoseconds = (0, 0, 0), (0, 0, 0)
    return struct.pack("=6Q10I", node, SIZE if is_file else 0, 1, *times, *nanoseconds, mode, links, 0, 0, 0, SIZE, 0)


def answer(operation, node, opened):
    """What follows the header; None: nothing, ever."""
    if operation == INIT:  # struct fuse_init_out of version 7.31
        return struct.pack("=4I2H2I2H8I", 7, 31, SIZE, 0, 0, 0, SIZE, 1, 0, 0, *[0] * 8)
    if operation == LOOKUP:  # struct fuse_entry_out
        return struct.pack("=4Q2I", FILE, 1, FOR_LONG, FOR_LONG, 0, 0) + attributes(FILE)
    if operation == GETATTR:  # struct fuse_attr_out
        return struct.pack("=Q2I", FOR_LONG, 0, 0) + attributes(node)
    if operation == OPEN:  # struct fuse_open_out
        return struct.pack("=Q2I", opened, DIRECT_IO if opened == 1 else 0, 0)
    return b""


def main():
    """Mounts, and serves until it is killed."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"fake_dead_file_system", sys.argv[1].encode(), b"fuse", 0, options) != 0:
        sys.exit(f"mounting: {os.strerror(ctypes.get_errno())}")
    print("mounted", flush=True)
    opened = 0
    while True:
        request = os.read(device, 1 << 17)
        _, operation, unique, node = struct.unpack_from("=IIQQ", request)
        opened += operation == OPEN
        if operation == READ:
            print("asked", flush=True)
        if operation in (READ, FORGET, BATCH_FORGET, INTERRUPT):
            continue
        known = operation in (INIT, LOOKUP, GETATTR, OPEN, STATFS, RELEASE, FLUSH)
        body = answer(operation, node, opened) if known else b""
        os.write(device, struct.pack("=IiQ", 16 + len(body), 0 if known else -ENOSYS, unique) + body)


if __name__ == "__main__":
    main()
