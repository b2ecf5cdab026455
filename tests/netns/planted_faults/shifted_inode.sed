# SPDX-License-Identifier: Apache-2.0
# A field that another kernel has four bytes further on.
s/vfs_inode\.i_ino\) : 0/vfs_inode.i_ino) >> 32 : 0/
