// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Walks the kernel's hash tables of TCP sockets, once for all network namespaces: counts sockets by
// namespace and state, and describes those in CLOSE_WAIT and LISTEN. It is never attached to
// anything: the agent runs it by BPF_PROG_TEST_RUN, so it runs in the agent's own time and under
// RCU (bpf_prog_test_run_raw_tp() in net/bpf/test_run.c).
//
// It takes no lock and writes nothing of the kernel's. A chain may change under it: as in
// __inet_lookup_established() (net/ipv4/inet_hashtables.c), its end marker names the bucket that it
// belongs to, so whoever ends at another marker has been led away and begins again. Hence each
// chain is copied first, and counted only when its end was right. A chain that is too long for that
// is told to the agent socket by socket, and it is the agent that waits for the end.

#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel/walk_layout.h"

char LICENSE[] SEC("license") = "GPL";

enum tcp_state {
  TCP_TIME_WAIT = 6,
  TCP_CLOSE = 7,
  TCP_CLOSE_WAIT = 8,
  TCP_LISTEN = 10,
  TCP_NEW_SYN_RECV = 12,
  TCP_SYN_RECV = 3,
};
enum { AF_INET6 = 10 };
enum { CLONE_NEWNET = 0x40000000 };
// In sk_userlocks (include/net/sock.h), and a bit of inet_flags (include/net/inet_sock.h).
enum { SOCK_BINDADDR_LOCK = 4, SOCK_BINDPORT_LOCK = 8, INET_FLAGS_TRANSPARENT = 15 };
// In the end markers of listeners' buckets, so that they are not taken for others
// (include/net/inet_hashtables.h).
enum { LISTENING_NULLS_BASE = 1U << 29 };

// A field of an object of the kernel's. With bpf_rdonly_cast(), which is of Linux 6.2, it is a load
// in the program itself, and the CPU fetches several at a time; bpf_probe_read_kernel() is too long
// a way for it to look past.
#ifdef READS_BY_LOADS
extern void* bpf_rdonly_cast(const void* object, __u32 type) __ksym;
#define OBJECT(type, object) \
  ((type*)bpf_rdonly_cast((void*)(object), bpf_core_type_id_kernel(type)))
#define READ(type, object, field) (OBJECT(type, object)->field)
#else
#define OBJECT(type, object) ((type*)(object))
// What leads to the object is no access of the kernel's: it must not be in BPF_CORE_READ().
#define READ(type, object, field)        \
  ({                                     \
    type* read_object = (type*)(object); \
    BPF_CORE_READ(read_object, field);   \
  })
#endif

// Memory that the agent has mapped.
struct walk_request request;
struct walk_answer answer;
struct walk_namespace found_namespace;
struct walk_group groups[WALK_GROUPS];
struct walk_record records[WALK_RECORDS];
struct walk_port ports[WALK_PORTS];

// What is being read: a chunk of buckets, those of them that have sockets, and one bucket's chain.
// One run at a time: the agent's scanner is one thread.
enum { LARGEST_BUCKET = 64 };
__u8 buckets[WALK_CHUNK * LARGEST_BUCKET];
struct {
  __u64 number;
  __u64 address;
  __u64 first;
} occupied[WALK_CHUNK];
struct walk_link chain[WALK_DEPTH];
struct walk_link connection;  // of MPTCP, whose subflow is being looked at
// What sockets that are no subflows of MPTCP have as skc_prot.
enum { PLAIN_PROTOCOLS = 8 };
__u64 plain_protocols[PLAIN_PROTOCOLS];
// Not static, for clang would take the structure apart and describe parts in its BTF that overlap.
struct {
  __u64 marker;   // of the bucket: where its chain has to end
  __u64 address;  // of the bucket
  __u64 first;
  __u64 next;
  __u32 length;
  __u32 astray;
  __u32 done;
  __u64 from;  // the first bucket of the chunk that is still to be walked
  // How many of the chunk. Volatile, for the verifier follows each value that a register can have.
  volatile __u32 occupied;
} reading;

// Whatever calls is no part of a loop in C: until Linux 6.4 the verifier refuses a call there by
// the order in which the compiler happens to put things ("back-edge", check_cfg() in
// kernel/bpf/verifier.c). But for read_ahead(), whose only calls are casts; where they are refused
// the program that does not read by loads is taken.

// An offset or a size that libbpf writes into the program when it is loaded. It can do so only
// where the number is all that the instruction says; so the compiler must know nothing of it: clang
// 19 made a comparison, an addition and a load of it one instruction, which libbpf refuses
// (bpf_core_patch_insn() in tools/lib/bpf/relo_core.c).
static __always_inline __u64 written_at_load(__u64 number) {
  asm("" : "+r"(number));
  return number;
}
#define OFFSET(type, field) written_at_load(bpf_core_field_offset(type, field))
#define SIZE(type) written_at_load(bpf_core_type_size(type))

// A field of the copy. The offset is a constant to the verifier, and so is the comparison.
#define COMMON(link, type, field)                            \
  ({                                                         \
    __u64 field_offset = OFFSET(struct sock_common, field);  \
    type field_value = 0;                                    \
    if (field_offset <= WALK_COMMON - sizeof(type))          \
      field_value = *(type*)((link)->common + field_offset); \
    field_value;                                             \
  })

static __always_inline int copy_link(struct walk_link* link, __u64 socket) {
  link->socket = socket;
  return bpf_probe_read_kernel(link->common, WALK_COMMON, (void*)socket) == 0;
}

// A field that may be some bits of a number: what holds it is read into the low bytes, and what is
// not its own is shifted out. Both machines that there are programs for have the low byte first.
#define FIELD_INFO(type, field, info) \
  written_at_load(__builtin_preserve_field_info(((type*)0)->field, info))
#define BITS(type, object, field)                                                   \
  ((number_at(OBJECT(type, object), FIELD_INFO(type, field, BPF_FIELD_BYTE_OFFSET), \
              FIELD_INFO(type, field, BPF_FIELD_BYTE_SIZE))                         \
    << FIELD_INFO(type, field, BPF_FIELD_LSHIFT_U64)) >>                            \
   FIELD_INFO(type, field, BPF_FIELD_RSHIFT_U64))

static __always_inline __u64 number_at(const void* object, __u64 offset, __u64 size) {
#ifdef READS_BY_LOADS
  if (size == sizeof(__u8)) return *(const __u8*)(object + offset);
  if (size == sizeof(__u16)) return *(const __u16*)(object + offset);
  if (size == sizeof(__u32)) return *(const __u32*)(object + offset);
  return *(const __u64*)(object + offset);
#else
  __u64 number = 0;
  bpf_probe_read_kernel(&number, size <= sizeof(number) ? size : sizeof(number), object + offset);
  return number;
#endif
}

static long follow(__u32 step, void* unused) {
  if (step >= WALK_DEPTH || (reading.next & 1)) return 1;
  struct walk_link* link = &chain[step];
  if (!copy_link(link, reading.next - OFFSET(struct sock_common, skc_nulls_node))) {
    reading.astray = 1;
    return 1;
  }
  if (step && link->socket == chain[0].socket) {  // one was moved to the front as it was read
    reading.astray = 1;
    return 1;
  }
  reading.next = COMMON(link, __u64, skc_nulls_node.next);
  reading.length = step + 1;
  return 0;
}

static __always_inline struct walk_group* group_of(__u64 net, __u64 cgroup) {
  __u32 place = walk_group_place(net, cgroup);
  for (int i = 0; i < WALK_PROBES; ++i) {
    struct walk_group* group = &groups[(place + i) & (WALK_GROUPS - 1)];
    if (group->generation != request.generation) {
      __builtin_memset(group->sockets, 0, sizeof(group->sockets));
      group->generation = request.generation;
      group->net = net;
      group->cgroup = cgroup;
      group->cookie = READ(struct net, net, net_cookie);
      return group;
    }
    if (group->net == net && group->cgroup == cgroup) return group;
  }
  return 0;
}

static __always_inline void note_port(__u64 net, __u32 port) {
  __u32 place = walk_port_place(net, port);
  for (int i = 0; i < WALK_PROBES; ++i) {
    struct walk_port* watched = &ports[(place + i) & (WALK_PORTS - 1)];
    if (watched->net == 0) return;
    if (watched->net == net && watched->port == port) watched->in_use = 1;
  }
}

static __always_inline __u64 cgroup_of(__u64 socket) {
  __u64 cgroup = (__u64)READ(struct sock, socket, sk_cgrp_data.cgroup);
  __u64 node = (__u64)READ(struct cgroup, cgroup, kn);
  return READ(struct kernfs_node, node, id);
}

static __always_inline __u64 inode_of(__u64 socket) {
  // As in SOCK_INODE() of include/net/sock.h: struct socket is the first member of struct
  // socket_alloc.
  __u64 made = (__u64)READ(struct sock, socket, sk_socket);
  return made ? READ(struct socket_alloc, made, vfs_inode.i_ino) : 0;
}

// A connection of MPTCP counts once, in place of its subflows, which are TCP's sockets in TCP's
// table: its state and queues are its own and show in none of them. It is a struct sock as well, in
// no table of TCP's. What mptcp_diag shows of it is in net/mptcp/mptcp_diag.c.
static __always_inline int kernel_has_mptcp(void) {
  return bpf_core_field_exists(struct tcp_sock, is_mptcp) &&
         bpf_core_field_exists(struct inet_connection_sock, icsk_ulp_data) &&
         bpf_core_field_exists(struct mptcp_subflow_context, node) &&
         bpf_core_field_exists(struct mptcp_subflow_context, conn) &&
         bpf_core_field_exists(struct mptcp_sock, conn_list) &&
         bpf_core_field_exists(struct mptcp_sock, token) &&
         bpf_core_field_exists(struct mptcp_sock, first);
}

// To ask each socket would be one more cache miss. But subflows have a struct proto of their own
// (mptcp_subflow_ops_override() in net/mptcp/subflow.c), so one socket of each proto is asked in a
// run. A run and no more: one that is just falling back may have it for a moment longer.
static __always_inline int is_subflow(const struct walk_link* link) {
  __u8 state = COMMON(link, __u8, skc_state);
  if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV || state == TCP_LISTEN) return 0;
  __u64 protocol = COMMON(link, __u64, skc_prot);
  __u64* plain =
      &plain_protocols[((protocol * 0x9E3779B97F4A7C15ULL) >> 61) & (PLAIN_PROTOCOLS - 1)];
  if (*plain == protocol) return 0;
  if (READ(struct tcp_sock, link->socket, is_mptcp)) return 1;
  *plain = protocol;
  return 0;
}

static __always_inline __u64 context_of(__u64 subflow) {
  return (__u64)READ(struct inet_connection_sock, subflow, icsk_ulp_data);
}

// Whether the connection is counted by this subflow: by its first, or where that is over, when it
// is kept all the same (__mptcp_close_ssk() in net/mptcp/protocol.c), by the next.
static __always_inline int stands_for(__u64 subflow, __u64 context, __u64 whole) {
  __u64 first = (__u64)READ(struct mptcp_sock, whole, first);
  if (first == subflow) return 1;
  __u64 node = (__u64)READ(struct mptcp_sock, whole, conn_list.next);
  if (first) {
    if (READ(struct sock_common, first, skc_state) != TCP_CLOSE) return 0;
    if (node == context_of(first) + OFFSET(struct mptcp_subflow_context, node)) {
      node = (__u64)READ(struct list_head, node, next);
    }
  }
  return node == context + OFFSET(struct mptcp_subflow_context, node);
}

// The socket itself, for a subflow its connection, or 0 when another subflow stands for that. One
// that is over leaves its subflows to TCP.
static __always_inline const struct walk_link* what_counts(const struct walk_link* link) {
  if (!kernel_has_mptcp() || !is_subflow(link)) return link;
  __u64 context = context_of(link->socket);
  if (!context) return link;
  __u64 whole = (__u64)READ(struct mptcp_subflow_context, context, conn);
  if (!whole || !copy_link(&connection, whole)) return link;
  if (COMMON(&connection, __u8, skc_state) == TCP_CLOSE) return link;
  return stands_for(link->socket, context, whole) ? &connection : 0;
}

// The last ACK of any subflow: that may have brought the FIN.
static __always_inline __u32 last_ack(__u64 subflow, __u64 whole) {
  __u32 at = READ(struct tcp_sock, subflow, rcv_tstamp);
  if (bpf_core_field_exists(struct mptcp_sock, last_ack_recv)) {
    __u32 other = READ(struct mptcp_sock, whole, last_ack_recv);
    return (__s32)(other - at) > 0 ? other : at;
  }
  __u64 node = (__u64)READ(struct mptcp_sock, whole, conn_list.next);
  __u64 next = (__u64)READ(struct list_head, node, next);
  if (next == whole + OFFSET(struct mptcp_sock, conn_list)) return at;
  return (__u32)answer.jiffies;  // nobody knows when the others had theirs
}

// As mptcp_diag_get_info() has the queues, which hold no FIN; and what is fixed for identity's
// sake.
static __always_inline void describe_connection(__u64 subflow, __u64 whole,
                                                struct walk_record* record) {
  record->sequence = READ(struct mptcp_sock, whole, token);
  record->receive_queue = READ(struct sock, whole, sk_backlog.rmem_alloc.counter);
  if (record->receive_queue) record->receive_queue++;
  record->send_queue = READ(struct sock, whole, sk_wmem_alloc.refs.counter) - 1;
  record->received_at = last_ack(subflow, whole);
}

// What a socket is counted as.
struct kind {
  __u64 net;
  __u64 cgroup;   // 0 unless it is asked for
  __u64 subflow;  // of a connection of MPTCP: the one that stands for it
  __u16 state;
  __u16 described;  // it has a record in any case
};

// Whether the table is the socket's: a listener outside its own, or another there, is on its way.
static __always_inline int find_kind(const struct walk_link* link, struct kind* kind) {
  kind->net = COMMON(link, __u64, skc_net);
  kind->state = COMMON(link, __u8, skc_state);
  int whole = 1;
  if (kind->state == TCP_TIME_WAIT) {  // it stands for a FIN_WAIT2 as well (inet_twsk_diag_fill())
    kind->state = READ(struct inet_timewait_sock, link->socket, tw_substate);
    whole = 0;
  } else if (kind->state == TCP_NEW_SYN_RECV) {
    kind->state = TCP_SYN_RECV;
    whole = 0;
  }
  kind->described = kind->state == TCP_CLOSE_WAIT || kind->state == TCP_LISTEN;
  kind->cgroup =
      whole && (kind->described || kind->net == request.split) ? cgroup_of(link->socket) : 0;
  return (kind->state == TCP_LISTEN) == (request.listening != 0);
}

static __always_inline __u8 binding_of(__u64 socket) {
  __u64 locks = BITS(struct sock, socket, sk_userlocks);
  __u8 binding = 0;
  if (locks & SOCK_BINDADDR_LOCK) binding |= WALK_BOUND_ADDRESS;
  if (locks & SOCK_BINDPORT_LOCK) binding |= WALK_BOUND_PORT;
  __u64 transparent = 0;
  if (bpf_core_field_exists(((struct inet_sock*)0)->inet_flags)) {
    transparent = READ(struct inet_sock, socket, inet_flags) >> INET_FLAGS_TRANSPARENT & 1;
  } else {
    transparent = BITS(struct inet_sock, socket, transparent);
  }
  if (transparent) binding |= WALK_TRANSPARENT;
  return binding;
}

static __always_inline void describe(const struct walk_link* link, const struct kind* kind,
                                     struct walk_record* record) {
  __u64 socket = link->socket;
  record->inode = inode_of(socket);
  record->binding = binding_of(kind->subflow ? kind->subflow : socket);  // bind() is the subflow's
  record->family = COMMON(link, __u16, skc_family);
  record->remote_port = COMMON(link, __u16, skc_dport);
  __builtin_memset(record->local, 0, sizeof(record->local));
  __builtin_memset(record->remote, 0, sizeof(record->remote));
  if (record->family == AF_INET6) {
    struct sock* sock = (struct sock*)socket;
    BPF_CORE_READ_INTO(&record->local, sock, __sk_common.skc_v6_rcv_saddr);
    BPF_CORE_READ_INTO(&record->remote, sock, __sk_common.skc_v6_daddr);
  } else {
    *(__u32*)record->local = COMMON(link, __u32, skc_rcv_saddr);
    *(__u32*)record->remote = COMMON(link, __u32, skc_daddr);
  }
  if (kind->state == TCP_LISTEN) {  // as in tcp_diag_get_info(), net/ipv4/tcp_diag.c
    record->receive_queue = READ(struct sock, socket, sk_ack_backlog);
    record->send_queue = READ(struct sock, socket, sk_max_ack_backlog);
    record->received_at = 0;
    record->sequence = 0;
    return;
  }
  if (kind->subflow && kernel_has_mptcp()) {
    describe_connection(kind->subflow, socket, record);
    return;
  }
  record->sequence = READ(struct tcp_sock, socket, rcv_nxt);
  record->receive_queue = record->sequence - READ(struct tcp_sock, socket, copied_seq);
  record->send_queue =
      READ(struct tcp_sock, socket, write_seq) - READ(struct tcp_sock, socket, snd_una);
  record->received_at = READ(struct tcp_sock, socket, rcv_tstamp);
}

static __always_inline void tell(const struct walk_link* link, const struct kind* kind,
                                 const struct walk_group* group) {
  __u32 at = answer.records;
  if (at >= WALK_RECORDS) return;
  struct walk_record* record = &records[at];
  answer.records = at + 1;
  record->net = kind->net;
  if (!group) record->cookie = READ(struct net, kind->net, net_cookie);
  record->cgroup = kind->cgroup;
  record->socket = link->socket;
  record->state = kind->state;
  record->counted = group != 0;
  record->local_port = COMMON(link, __u16, skc_num);
  if (kind->described) describe(link, kind, record);
}

static long count(__u32 index, void* unused) {
  if (index >= WALK_DEPTH) return 1;
  const struct walk_link* found = &chain[index];
  const struct walk_link* link = what_counts(found);
  if (!link) return 0;
  struct kind kind;
  kind.subflow = link->socket == found->socket ? 0 : found->socket;
  if (!find_kind(link, &kind)) return 0;
  struct walk_group* group = group_of(kind.net, kind.net == request.split ? kind.cgroup : 0);
  if (group) group->sockets[kind.state & (WALK_STATES - 1)]++;
  if (!group || kind.described) tell(link, &kind, group);
  if (request.watching && kind.state != TCP_LISTEN) {
    note_port(kind.net, COMMON(link, __u16, skc_num));
  }
  return 0;
}

static long attempt(__u32 index, void* unused) {
  reading.next = reading.first;
  reading.length = 0;
  reading.astray = 0;
  bpf_loop(WALK_DEPTH + 1, follow, 0, 0);
  if (!reading.astray) {
    if (!(reading.next & 1)) return 1;  // it is too long
    if (reading.next >> 1 == reading.marker) {
      answer.sockets += reading.length;
      bpf_loop(reading.length, count, 0, 0);
      reading.done = 1;
      return 1;
    }
  }
  answer.moved++;
  return bpf_probe_read_kernel(&reading.first, sizeof(reading.first), (void*)reading.address) != 0;
}

static __always_inline __u64 marker_of(__u64 bucket) {
  return request.listening ? bucket + LISTENING_NULLS_BASE : bucket;
}

// 0 when the bucket's sockets have been counted.
// Global functions are verified once each, however often they are called.
__noinline int walk_bucket(__u64 number, __u64 address, __u64 first) {
  reading.marker = marker_of(number);
  reading.address = address;
  reading.first = first;
  reading.done = 0;
  bpf_loop(WALK_ATTEMPTS, attempt, 0, 0);
  return !reading.done;
}

static long walk_occupied(__u32 index, void* unused) {
  if (index >= WALK_CHUNK) return 1;
  // What another run has walked, or a small table has not.
  if (occupied[index].number < reading.from || occupied[index].number > request.mask) return 0;
  if (answer.sockets >= WALK_SOCKETS || answer.records > WALK_RECORDS - WALK_DEPTH) {
    answer.next = occupied[index].number;  // the run has been long enough
    return 1;
  }
  if (walk_bucket(occupied[index].number, occupied[index].address, occupied[index].first)) {
    answer.left_out = 1;
    answer.next = occupied[index].number + 1;
    return 1;
  }
  return 0;
}

static __always_inline void find_occupied(__u64 start, __u32 size, __u32 offset) {
  reading.occupied = 0;
  for (__u32 i = 0; i < WALK_CHUNK; ++i) {
    __u64 first = *(__u64*)(buckets + i * size + offset);
    if (first & 1) continue;
    __u32 place = reading.occupied & (WALK_CHUNK - 1);
    occupied[place].number = start + i;
    occupied[place].address = request.table + (start + i) * size + offset;
    occupied[place].first = first;
    reading.occupied++;
  }
}

#ifdef READS_BY_LOADS
// To reach a socket costs some cache misses, and these overlap for the first sockets of all of a
// chunk's buckets when each is asked for before any is waited for.
static __always_inline void read_ahead(void) {
  for (__u32 i = 0; i < WALK_CHUNK; ++i) {
    if (i >= reading.occupied) break;
    __u64 socket = occupied[i].first - OFFSET(struct sock_common, skc_nulls_node);
    __u64 state = READ(struct sock_common, socket, skc_state);
    __u64 next = (__u64)READ(struct sock_common, socket, skc_nulls_node.next);
    asm volatile("" ::"r"(state), "r"(next));  // it is the cache that is to have them
  }
}
#else
static __always_inline void read_ahead(void) {}
#endif

static __always_inline long walk_chunk(__u32 size, __u32 offset) {
  if (size > LARGEST_BUCKET || offset > size - sizeof(__u64)) return 1;
  if (answer.next > request.mask) return 1;
  // The last chunk ends with the table, wherever a run left off.
  __u64 last_start = request.mask >= WALK_CHUNK ? request.mask + 1 - WALK_CHUNK : 0;
  __u64 start = answer.next < last_start ? answer.next : last_start;
  if (bpf_probe_read_kernel(buckets, WALK_CHUNK * size, (void*)(request.table + start * size))) {
    answer.unreadable++;
    answer.next = request.mask + 1;
    return 1;
  }
  find_occupied(start, size, offset);
  read_ahead();
  reading.from = answer.next;
  answer.next = start + WALK_CHUNK;
  bpf_loop(reading.occupied, walk_occupied, 0, 0);
  return answer.left_out || answer.next != start + WALK_CHUNK;
}

static long walk_established_chunk(__u32 index, void* unused) {
  return walk_chunk(SIZE(struct inet_ehash_bucket), OFFSET(struct inet_ehash_bucket, chain));
}

static long walk_listening_chunk(__u32 index, void* unused) {
  return walk_chunk(SIZE(struct inet_listen_hashbucket),
                    OFFSET(struct inet_listen_hashbucket, nulls_head));
}

static __always_inline void begin_answer(void) {
  __builtin_memset(&answer, 0, sizeof(answer));
  __builtin_memset(plain_protocols, 0, sizeof(plain_protocols));
  answer.next = request.first;
  answer.jiffies = bpf_jiffies64();
  answer.monotonic = bpf_ktime_get_ns();
}

SEC("raw_tp")
int walk_table(void* context) {
  begin_answer();
  if (request.listening) {
    bpf_loop(WALK_CHUNKS, walk_listening_chunk, 0, 0);
  } else {
    bpf_loop(WALK_CHUNKS, walk_established_chunk, 0, 0);
  }
  return 0;
}

static __always_inline __u64 address_of(__u64 bucket) {
  if (request.listening) {
    return request.table + bucket * SIZE(struct inet_listen_hashbucket) +
           OFFSET(struct inet_listen_hashbucket, nulls_head);
  }
  return request.table + bucket * SIZE(struct inet_ehash_bucket) +
         OFFSET(struct inet_ehash_bucket, chain);
}

// From the socket that was told last, which is still in the first link. Between two runs it may
// have left its chain, and its memory may be another's: then nothing points to it where it says
// that something does (__hlist_nulls_del() in include/linux/list_nulls.h). One that has gone over
// to another chain leads to another marker, and one that is back in its own leads to sockets that
// the agent has seen.
static __always_inline int find_again(void) {
  struct walk_link* link = &chain[0];
  if (!copy_link(link, link->socket)) return 0;
  __u64 pointed_at = 0;
  __u64 from = COMMON(link, __u64, skc_nulls_node.pprev);
  if (bpf_probe_read_kernel(&pointed_at, sizeof(pointed_at), (void*)from)) return 0;
  if (pointed_at != link->socket + OFFSET(struct sock_common, skc_nulls_node)) return 0;
  reading.next = COMMON(link, __u64, skc_nulls_node.next);
  return 1;
}

static long tell_next(__u32 step, void* unused) {
  if (reading.next & 1) return 1;
  struct walk_link* link = &chain[0];
  if (!copy_link(link, reading.next - OFFSET(struct sock_common, skc_nulls_node))) {
    reading.astray = 1;
    return 1;
  }
  reading.next = COMMON(link, __u64, skc_nulls_node.next);
  answer.sockets++;
  const struct walk_link* counts = what_counts(link);
  if (!counts) return 0;
  struct kind kind;
  kind.subflow = counts->socket == link->socket ? 0 : link->socket;
  if (!find_kind(counts, &kind)) return 0;
  tell(counts, &kind, 0);
  if (request.watching && kind.state != TCP_LISTEN) {
    note_port(kind.net, COMMON(counts, __u16, skc_num));
  }
  return 0;
}

// One chain of any length, each socket by a record.
SEC("raw_tp")
int walk_chain(void* context) {
  begin_answer();
  reading.astray = 0;
  if (request.resume) {
    if (!find_again()) return 0;
  } else {
    __u64 address = address_of(request.first);
    if (bpf_probe_read_kernel(&reading.next, sizeof(reading.next), (void*)address)) return 0;
  }
  bpf_loop(WALK_RECORDS, tell_next, 0, 0);
  if (reading.astray) return 0;
  if (!(reading.next & 1)) {
    answer.end = WALK_MORE;
  } else if (reading.next >> 1 == marker_of(request.first)) {
    answer.end = WALK_WHOLE;
  }
  return 0;
}

static __always_inline int is_network(__u64 space) {
  struct ns_common* typed = (struct ns_common*)space;
  if (bpf_core_field_exists(typed->ns_type)) {
    return READ(struct ns_common, space, ns_type) == CLONE_NEWNET;
  }
  return BPF_CORE_READ(typed, ops, type) == CLONE_NEWNET;
}

// From a descriptor of the calling thread to its namespace, without entering it.
SEC("raw_tp")
int identify_namespace(void* context) {
  __builtin_memset(&found_namespace, 0, sizeof(found_namespace));
  __u64 task = bpf_get_current_task();
  __u64 files = (__u64)READ(struct task_struct, task, files);
  __u64 table = (__u64)READ(struct files_struct, files, fdt);
  if (request.descriptor >= READ(struct fdtable, table, max_fds)) return 0;
  __u64 places = (__u64)READ(struct fdtable, table, fd);
  __u64 file = 0;
  __u64 place = places + request.descriptor * sizeof(file);
  if (bpf_probe_read_kernel(&file, sizeof(file), (void*)place)) return 0;
  // nsfs keeps the namespace there, of whatever kind (fs/nsfs.c); the inode number tells whether it
  // did.
  __u64 inode = (__u64)READ(struct file, file, f_inode);
  __u64 space = (__u64)READ(struct inode, inode, i_private);
  if (!space || READ(struct ns_common, space, inum) != READ(struct inode, inode, i_ino)) return 0;
  if (!is_network(space)) return 0;
  __u64 net = space - OFFSET(struct net, ns);
  __u64 tables = (__u64)READ(struct net, net, ipv4.tcp_death_row.hashinfo);
  found_namespace.cookie = READ(struct net, net, net_cookie);
  found_namespace.established = (__u64)READ(struct inet_hashinfo, tables, ehash);
  found_namespace.established_mask = READ(struct inet_hashinfo, tables, ehash_mask);
  found_namespace.listening = (__u64)READ(struct inet_hashinfo, tables, lhash2);
  found_namespace.listening_mask = READ(struct inet_hashinfo, tables, lhash2_mask);
  found_namespace.net = net;
  return 0;
}
