# SPDX-License-Identifier: Apache-2.0
# A field that another kernel has four bytes further on.
s/READ\(struct tcp_sock, socket, copied_seq\)/READ(struct tcp_sock, socket, rcv_nxt)/
