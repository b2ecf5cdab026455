# SPDX-License-Identifier: Apache-2.0
# A field that another kernel has four bytes further on.
s/READ\(struct sock, socket, sk_max_ack_backlog\)/READ(struct sock, socket, sk_ack_backlog)/
