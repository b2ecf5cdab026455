// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#pragma once

// The parts of the kernel's types that the programs touch. Clang notes each access, and libbpf
// moves it to where the running kernel has the field (CO-RE), so order and size mean nothing here;
// names do. Sources: include/net/sock.h, inet_hashtables.h, inet_timewait_sock.h, net_namespace.h
// of Linux 6.1 to 6.18.

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_nulls_node {
  struct hlist_nulls_node* next;
  struct hlist_nulls_node** pprev;
};
struct hlist_nulls_head {
  struct hlist_nulls_node* first;
};
struct inet_ehash_bucket {
  struct hlist_nulls_head chain;
};
struct inet_listen_hashbucket {
  struct hlist_nulls_head nulls_head;
};
struct inet_hashinfo {
  struct inet_ehash_bucket* ehash;
  unsigned int ehash_mask;
  unsigned int lhash2_mask;
  struct inet_listen_hashbucket* lhash2;
};
struct inet_timewait_death_row {
  struct inet_hashinfo* hashinfo;
};
struct netns_ipv4 {
  struct inet_timewait_death_row tcp_death_row;
};
struct proc_ns_operations {
  int type;  // until 6.17
};
struct ns_common {
  __u32 ns_type;  // since 6.18
  struct proc_ns_operations* ops;
  unsigned int inum;
};
struct net {
  __u64 net_cookie;
  struct ns_common ns;
  struct netns_ipv4 ipv4;
};
typedef struct {
  struct net* net;
} possible_net_t;

struct in6_addr {
  __u8 bytes[16];
};
struct proto;
struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  struct proto* skc_prot;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  struct hlist_nulls_node skc_nulls_node;
};
struct inet_timewait_sock {
  unsigned char tw_substate;
};

struct kernfs_node {
  __u64 id;
};
struct cgroup {
  struct kernfs_node* kn;
};
struct sock_cgroup_data {
  struct cgroup* cgroup;
};
struct inode {
  unsigned long i_ino;
  void* i_private;
};
struct sock;
struct socket {
  struct sock* sk;
};
struct socket_alloc {
  struct inode vfs_inode;
};
typedef struct {
  int counter;
} atomic_t;
typedef struct refcount_struct {
  atomic_t refs;
} refcount_t;
struct sock {
  struct sock_common __sk_common;
  struct {
    atomic_t rmem_alloc;
  } sk_backlog;
  refcount_t sk_wmem_alloc;
  struct socket* sk_socket;
  struct sock_cgroup_data sk_cgrp_data;
  __u8 sk_userlocks;  // half of a byte until 6.7
  __u8 sk_shutdown;
  __u16 sk_protocol;
  __u32 sk_ack_backlog;
  __u32 sk_max_ack_backlog;
};
struct inet_sock {
  unsigned long inet_flags;  // since 6.6
  __u8 transparent;          // one bit, until then
  __be16 inet_sport;
};
struct tcp_sock {
  __u32 rcv_nxt;
  __u32 copied_seq;
  __u32 write_seq;
  __u32 snd_una;
  __u32 rcv_tstamp;
  _Bool is_mptcp;  // with CONFIG_MPTCP
};

// With CONFIG_MPTCP; net/mptcp/protocol.h.
struct list_head {
  struct list_head* next;
};
struct inet_connection_sock {
  void* icsk_ulp_data;
};
struct mptcp_subflow_context {
  struct list_head node;
  struct sock* conn;
};
struct mptcp_sock {
  __u32 last_ack_recv;  // since 6.10
  __u32 token;
  __u64 ack_seq;
  struct list_head conn_list;
  struct sock* first;
};

struct file {
  struct inode* f_inode;
};
struct fdtable {
  unsigned int max_fds;
  struct file** fd;
};
struct files_struct {
  struct fdtable* fdt;
};
struct upid {
  int nr;
};
struct pid {
  unsigned int level;
  struct upid numbers[1];
};
struct task_struct {
  struct files_struct* files;
  struct task_struct* group_leader;
  struct pid* thread_pid;
  char comm[16];
};

// Made for programs that go through all open files, of kernel/bpf/task_iter.c.
struct seq_file;
struct bpf_iter_meta {
  struct seq_file* seq;
};
struct bpf_iter__task_file {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
  __u32 fd;
  struct file* file;
};

#pragma clang attribute pop
