// SPDX-License-Identifier: Apache-2.0
// The least that any walk through the kernel's table of sockets can do: look at each bucket and go
// once to each socket. It counts them and nothing else, and does not notice when a chain changes.

#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum { CHUNK = 64, LONGEST = 4096 };

__u64 table;
__u64 buckets;
__u64 first;
__u64 sockets;
__u64 heads[CHUNK];
__u64 node;

static long step(__u32 index, void* unused) {
  if (node & 1) return 1;
  sockets++;
  if (bpf_probe_read_kernel(&node, sizeof(node), (void*)node)) node = 1;
  return 0;
}

static long chunk(__u32 index, void* unused) {
  if (first >= buckets) return 1;
  if (bpf_probe_read_kernel(heads, sizeof(heads), (void*)(table + first * sizeof(__u64)))) return 1;
  for (int i = 0; i < CHUNK; ++i) {
    node = heads[i];
    if (!(node & 1)) bpf_loop(LONGEST, step, 0, 0);
  }
  first += CHUNK;
  return 0;
}

SEC("raw_tp")
int touch_all(void* context) {
  bpf_loop(1 << 20, chunk, 0, 0);
  return 0;
}
