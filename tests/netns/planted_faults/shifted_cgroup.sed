# SPDX-License-Identifier: Apache-2.0
# A field that another kernel has four bytes further on.
s/return READ\(struct kernfs_node, node, id\)/return READ(struct kernfs_node, node, id) >> 32/
