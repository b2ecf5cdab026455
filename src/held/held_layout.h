// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent's program in the kernel (src/held/bpf/held_sockets.bpf.c) writes for each socket
// that it finds. C and C++ alike, of types of fixed size only.

#ifdef __cplusplus
#include <cstdint>
using held_u8 = std::uint8_t;
using held_u16 = std::uint16_t;
using held_u32 = std::uint32_t;
using held_u64 = std::uint64_t;
#else
typedef __u8 held_u8;
typedef __u16 held_u16;
typedef __u32 held_u32;
typedef __u64 held_u64;
#endif

// In the manner of C and the kernel, as its program reads it too.
// NOLINTBEGIN(readability-identifier-naming, modernize-avoid-c-arrays)

enum held_limits {
  HELD_COMM = 16,  ///< bytes of a process' name, with its zero
};

enum held_origin {
  HELD_BOUND_PORT = 1,  ///< it asked for its port, as nothing that was accepted has
  HELD_ACCEPTED = 2,    ///< from a listener, for certain
};

/// A socket whose connection is over, or of which nothing but the last ACK is missing, once for
/// each descriptor that it has in a process.
struct held_record {
  held_u64 socket;       ///< its address
  held_u64 cgroup;       ///< that made it; 0: not known
  held_u64 inode;        ///< of its file
  held_u32 space;        ///< inode number of its network namespace
  held_u32 sequence;     ///< what the connection ended with: fixed
  held_u32 pid;          ///< of the process, in the agent's PID namespace
  held_u16 local_port;   ///< network byte order
  held_u16 remote_port;  ///< likewise
  held_u8 comm[HELD_COMM];
  held_u8 local[16];
  held_u8 remote[16];
  held_u8 ipv6;
  held_u8 state;   ///< as the kernel numbers it: CLOSE or LAST_ACK
  held_u8 origin;  ///< HELD_BOUND_PORT, HELD_ACCEPTED
  held_u8 unused[5];
};

/// What one time through all files came to.
struct held_answer {
  held_u64 files;  ///< that were looked at
};

// NOLINTEND(readability-identifier-naming, modernize-avoid-c-arrays)
