// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <boost/unordered/unordered_flat_set.hpp>

#include "closewatch/kernel/socket_source.h"

namespace closewatch {

/// The cookies that were seen lately: the last kAtLeast for certain, never more than twice as many.
/// Takes its memory (some 300 KB) once. O(1).
class RecentCookies {
 public:
  static constexpr std::size_t kAtLeast = 8192;

  RecentCookies();

  void clear();
  /// Notes `cookie`; false when it is known already.
  bool insert(std::uint64_t cookie);

 private:
  boost::unordered_flat_set<std::uint64_t> newest_;
  boost::unordered_flat_set<std::uint64_t> older_;
};

/// Hands on each socket once that the kernel tells again. An answer comes in pieces, and the kernel
/// finds the place where it left off by counting the namespace's own sockets of a hash bucket
/// (inet_diag_dump_icsk() in net/ipv4/inet_diag.c, tcp_seek_last_pos() in net/ipv4/tcp_ipv4.c). New
/// ones come in at the bucket's head (__sk_nulls_add_node_rcu()), so each that came meanwhile moves
/// those behind it by one, and the last that were told are told again. Hence between two tellings
/// of a socket there are at most as many other rows as sockets have come into that one bucket
/// since: the window is overrun only where more than kAtLeast come into one bucket while it is
/// told.
///
/// A socket that becomes another between them is told by one cookie all the same: a TIME_WAIT has
/// that of the socket it remains of (inet_twsk_alloc()), a connection that of its request
/// (inet_csk_clone_lock()).
class ToldOnce final : public RowSink {
 public:
  /// Both must outlive this.
  ToldOnce(RecentCookies& seen, RowSink& sink) : seen_(seen), sink_(sink) {}

  void restart() override {
    seen_.clear();
    sink_.restart();
  }
  void row(const SocketRow& row) override {
    if (seen_.insert(row.cookie)) sink_.row(row);
  }
  void counted(const SocketCount& count) override { sink_.counted(count); }
  void port_in_use(std::uint16_t port) override { sink_.port_in_use(port); }

 private:
  RecentCookies& seen_;
  RowSink& sink_;
};

}  // namespace closewatch
