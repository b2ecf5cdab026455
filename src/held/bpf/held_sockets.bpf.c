// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Goes through all open files of all processes, and tells of each TCP socket whose connection is over:
// somebody holds the descriptor, and no table of the kernel's has the socket any more. It tells of those as
// well that wait for the last ACK alone, which is before that. The agent
// reads what it tells from a descriptor that stands for the iteration; nothing is attached to
// anything, and nothing of the kernel's is written (kernel/bpf/bpf_iter.c, task_iter.c).
//
// The files of each process are looked at one by one, with a reference to each: a process may close
// or open some meanwhile, and those are seen or not. Threads that share their process' files are
// passed over by the kernel.

#include "kernel_types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "held/held_layout.h"

char LICENSE[] SEC("license") = "GPL";

enum { AF_INET = 2, AF_INET6 = 10 };
enum { TCP_CLOSE = 7, TCP_LAST_ACK = 9 };
enum { IPPROTO_TCP = 6, IPPROTO_MPTCP = 262 };
// Both directions, as tcp_done() sets it (net/ipv4/tcp.c).
enum { SHUTDOWN_MASK = 3 };
// In sk_userlocks (include/net/sock.h).
enum { SOCK_BINDPORT_LOCK = 8 };

// Memory that the agent has mapped.
struct held_answer answer;

// What is read here of a task, a file or a socket are loads of the program itself: the kernel knows the
// type of what it hands to an iterator, and that of whatever that points to.

// A connection that has been established has received something; a socket that never was, or was
// refused, has not. 0 for those.
static __always_inline __u32 sequence_of(struct sock* sk) {
  if (sk->sk_protocol == IPPROTO_TCP) {
    struct tcp_sock* tcp = bpf_skc_to_tcp_sock(sk);
    return tcp ? tcp->rcv_nxt : 0;
  }
  if (sk->sk_protocol == IPPROTO_MPTCP && bpf_core_field_exists(struct mptcp_sock, ack_seq)) {
    struct mptcp_sock* whole = (struct mptcp_sock*)sk;
    __u64 acknowledged = BPF_CORE_READ(whole, ack_seq);
    return (__u32)acknowledged | (acknowledged != 0);
  }
  return 0;
}

// Who began the connection, as far as the socket tells now that no table has it. What is accepted is a copy
// of its listener but for the lock of the port (sk_clone_lock() in net/core/sock.c), so it has the length
// of that one's queue, which is 0 where listen() said so; and who connects has none.
static __always_inline __u8 origin_of(struct sock* sk) {
  __u8 origin = 0;
  if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK) origin |= HELD_BOUND_PORT;
  if (sk->sk_max_ack_backlog) origin |= HELD_ACCEPTED;
  return origin;
}

// The number of a process in the namespace of the one that reads. Addresses are numbers here, for which
// number of several is meant is only known as the program runs.
static __always_inline __u32 number_of(struct task_struct* task) {
  struct task_struct* reader = (struct task_struct*)bpf_get_current_task_btf();
  __u32 level = BPF_CORE_READ(reader, thread_pid, level);
  struct pid* pid = BPF_CORE_READ(task, group_leader, thread_pid);
  if (!pid || BPF_CORE_READ(pid, level) < level) return 0;
  __u64 place = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
                (__u64)level * bpf_core_type_size(struct upid) +
                bpf_core_field_offset(struct upid, nr);
  int number = 0;
  bpf_probe_read_kernel(&number, sizeof(number), (void*)place);
  return number;
}

static __always_inline void describe(struct task_struct* task, struct file* file, struct sock* sk,
                                     struct held_record* record) {
  struct inet_sock* inet = (struct inet_sock*)sk;
  record->socket = (__u64)sk;
  record->cgroup = sk->sk_cgrp_data.cgroup->kn->id;
  record->inode = file->f_inode->i_ino;
  record->space = sk->__sk_common.skc_net.net->ns.inum;
  record->pid = number_of(task);
  bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->group_leader->comm);
  record->local_port = BPF_CORE_READ(inet, inet_sport);  // skc_num is 0 by now (inet_put_port())
  record->remote_port = sk->__sk_common.skc_dport;
  record->state = sk->__sk_common.skc_state;
  record->origin = origin_of(sk);
  if (sk->__sk_common.skc_family == AF_INET6) {
    record->ipv6 = 1;
    bpf_probe_read_kernel(record->local, sizeof(record->local), &sk->__sk_common.skc_v6_rcv_saddr);
    bpf_probe_read_kernel(record->remote, sizeof(record->remote), &sk->__sk_common.skc_v6_daddr);
  } else {
    *(__u32*)record->local = sk->__sk_common.skc_rcv_saddr;
    *(__u32*)record->remote = sk->__sk_common.skc_daddr;
  }
}

SEC("iter/task_file")
int tell_held(struct bpf_iter__task_file* context) {
  struct file* file = context->file;
  struct task_struct* task = context->task;
  if (!file || !task) return 0;  // the end
  answer.files++;
  struct socket* socket = bpf_sock_from_file(file);
  if (!socket) return 0;
  struct sock* sk = socket->sk;
  if (!sk) return 0;
  __u8 state = sk->__sk_common.skc_state;  // of the socket's first cache line, as most end here
  if (state != TCP_CLOSE && state != TCP_LAST_ACK) return 0;
  if (sk->sk_shutdown != SHUTDOWN_MASK) return 0;
  __u16 family = sk->__sk_common.skc_family;
  if (family != AF_INET && family != AF_INET6) return 0;
  struct held_record record = {};
  record.sequence = sequence_of(sk);
  if (!record.sequence) return 0;
  describe(task, file, sk, &record);
  bpf_seq_write(context->meta->seq, &record, sizeof(record));
  return 0;
}
