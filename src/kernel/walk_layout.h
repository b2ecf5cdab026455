// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent and its program in the kernel (src/kernel/bpf/socket_walk.bpf.c) say to each
// other, in memory that both have mapped. C and C++ alike, of types of fixed size only.

#ifdef __cplusplus
#include <cstdint>
using walk_u8 = std::uint8_t;
using walk_u16 = std::uint16_t;
using walk_u32 = std::uint32_t;
using walk_u64 = std::uint64_t;
#else
typedef __u8 walk_u8;
typedef __u16 walk_u16;
typedef __u32 walk_u32;
typedef __u64 walk_u64;
#endif

// In the manner of C and the kernel, as its program reads it too.
// NOLINTBEGIN(readability-identifier-naming, modernize-avoid-c-arrays)

// None of these numbers bounds what is counted: whatever the program has no room for, a long chain
// or a socket without a group, it tells to the agent by records, and the agent counts it. What the
// agent has room for is in kernel/walk_findings.h.
enum walk_limits {
  WALK_CHUNK = 256,     ///< buckets that are read at once: within a page, the least table there is
  WALK_CHUNKS = 256,    ///< at most in one run
  WALK_SOCKETS = 8192,  ///< after so many, a run ends at the next bucket: about 3 ms
  WALK_COMMON = 128,    ///< bytes of struct sock_common that are copied
  WALK_DEPTH = 64,      ///< sockets of a bucket; one with more is left to walk_chain
  WALK_ATTEMPTS = 16,   ///< for a bucket that changes while it is read
  WALK_GROUPS = 8192,   ///< namespaces, and cgroups of the namespace that is split; a power of two
  WALK_PROBES = 16,     ///< places looked at for one group, or one port
  WALK_RECORDS = 4096,  ///< of sockets, in one run; more than a bucket of WALK_DEPTH can have
  WALK_PORTS = 4096,    ///< that are watched, shared out evenly (PortWatch); a power of two
  WALK_STATES = 16,     ///< numbered as the kernel numbers them
};

/// How far walk_chain has come.
enum walk_end {
  WALK_LED_AWAY,  ///< to another bucket's end, or it has lost its way between two runs
  WALK_WHOLE,     ///< to the end marker of the bucket
  WALK_MORE,      ///< the records are full: the next run goes on there
};

/// What the agent wants of the next run.
struct walk_request {
  walk_u64 table;       ///< address of the first bucket
  walk_u64 mask;        ///< the number of buckets less one
  walk_u64 first;       ///< bucket to begin with; for walk_chain the only one
  walk_u64 split;       ///< the namespace (struct net) whose sockets are counted by cgroup
  walk_u32 listening;   ///< the table is that of the listeners
  walk_u32 generation;  ///< of this scan: groups of others are void
  walk_u32 watching;    ///< whether any port is watched
  walk_u32 descriptor;  ///< for identify_namespace
  walk_u32 resume;      ///< for walk_chain: go on where the last run ended
};

/// What became of it.
struct walk_answer {
  walk_u64 next;       ///< the first bucket that was not read
  walk_u64 jiffies;    ///< jiffies64 when the run began
  walk_u64 monotonic;  ///< and CLOCK_MONOTONIC of the first time namespace, ns
  walk_u32 records;    ///< how many were written
  walk_u32 sockets;    ///< how many were met
  walk_u32 moved;      ///< buckets read again because they changed
  walk_u32
      left_out;  ///< 1: the bucket before `next` is longer than WALK_DEPTH, or changed each time
  walk_u32 unreadable;  ///< chunks of buckets at an address that cannot be read
  walk_u32 end;         ///< of walk_chain: enum walk_end
};

/// identify_namespace's answer: the namespace behind a descriptor, and where its sockets are.
struct walk_namespace {
  walk_u64 net;     ///< address of its struct net; 0 when the descriptor is none of a namespace
  walk_u64 cookie;  ///< SO_NETNS_COOKIE
  walk_u64 established;
  walk_u64 established_mask;
  walk_u64 listening;
  walk_u64 listening_mask;
};

/// Sockets that were only counted. To count one in any but the last states takes one cache line.
struct walk_group {
  walk_u64 net;
  walk_u64 cgroup;  ///< 0 unless the namespace is split, and for sockets that have none
  walk_u64 cookie;  ///< SO_NETNS_COOKIE
  walk_u32 generation;
  walk_u32 sockets[WALK_STATES];
} __attribute__((aligned(64)));

/// What of a socket its application has set itself.
enum walk_binding {
  WALK_BOUND_ADDRESS = 1,
  WALK_BOUND_PORT = 2,
  WALK_TRANSPARENT = 4,
};

/// A socket of its own: in CLOSE_WAIT, a listener, or one that is not counted in a group. Of the
/// last only namespace, cgroup, address, state and local port are told.
struct walk_record {
  walk_u64 net;
  walk_u64 cookie;    ///< the namespace's, unless it is counted, when the group has it
  walk_u64 cgroup;    ///< 0: not known
  walk_u64 socket;    ///< its address
  walk_u64 inode;     ///< 0: no file
  walk_u32 sequence;  ///< rcv_nxt: fixed once the FIN is there
  walk_u32 receive_queue;
  walk_u32 send_queue;
  walk_u32 received_at;  ///< jiffies of the last ACK, 32 bits
  walk_u16 local_port;   ///< host byte order
  walk_u16 remote_port;  ///< network byte order
  walk_u8 family;
  walk_u8 state;
  walk_u8 counted;  ///< in a group
  walk_u8 binding;  ///< enum walk_binding
  walk_u8 local[16];
  walk_u8 remote[16];
};

/// A port that listened once: whether it has sockets left.
struct walk_port {
  walk_u64 net;
  walk_u32 port;
  walk_u32 in_use;
};

/// A socket of the bucket that is being read, and the start of its struct sock_common. The
/// program's own.
struct walk_link {
  walk_u64 socket;
  walk_u8 common[WALK_COMMON];
};

/// Where to look first for a group and for a port; without casts, whose manner C and C++ do not
/// share.
static inline walk_u64 walk_group_place(walk_u64 net, walk_u64 cgroup) {
  return (((net ^ (cgroup << 20)) * 0x9E3779B97F4A7C15ULL) >> 51) & (WALK_GROUPS - 1);
}
static inline walk_u64 walk_port_place(walk_u64 net, walk_u64 port) {
  return (((net ^ (port << 40)) * 0x9E3779B97F4A7C15ULL) >> 52) & (WALK_PORTS - 1);
}

// NOLINTEND(readability-identifier-naming, modernize-avoid-c-arrays)
