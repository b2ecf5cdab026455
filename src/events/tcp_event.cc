// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_event.h"

#include <algorithm>

#include "closewatch/base/comma_separated.h"

namespace closewatch {
namespace {

constexpr std::array<TcpEventDescription, kTcpEventCount> kTable = {{
    {"listen_overflows", TcpCounterFile::kNetstat, "ListenOverflows",
     "Connections that found an accept queue full: the application does not call accept() in time."},
    {"listen_drops", TcpCounterFile::kNetstat, "ListenDrops",
     "Connection requests and finished handshakes that a listener dropped for any reason, a full accept queue included."},
    {"retransmission_timeouts", TcpCounterFile::kNetstat, "TCPTimeouts",
     "Times that no acknowledgement came until the timer ran out: of data, of a SYN and of a SYN-ACK."},
    {"failed_attempts", TcpCounterFile::kSnmp, "AttemptFails",
     "Connections that ended before they were established: refused, reset, or not answered."},
    {"established_resets", TcpCounterFile::kSnmp, "EstabResets",
     "Connections that went from ESTABLISHED or CLOSE_WAIT to CLOSE at once: by a RST of either end, or a timeout."},
    {"resets_sent", TcpCounterFile::kSnmp, "OutRsts",
     "RSTs sent: to a port on which nobody listens, for a connection that is not known any more, or by an abort."},
    {"syn_retransmissions", TcpCounterFile::kNetstat, "TCPSynRetrans",
     "SYNs and SYN-ACKs sent again."},
    {"retransmitted_segments", TcpCounterFile::kSnmp, "RetransSegs",
     "Segments sent again, SYNs and SYN-ACKs included."},
    {"aborts_on_close", TcpCounterFile::kNetstat, "TCPAbortOnClose",
     "Connections that the application closed with data unread: the peer got a RST."},
    {"aborts_on_data", TcpCounterFile::kNetstat, "TCPAbortOnData",
     "Connections closed with a linger time of 0, or on which data came after the application had closed."},
    {"aborts_on_timeout", TcpCounterFile::kNetstat, "TCPAbortOnTimeout",
     "Connections that the kernel gave up after too many retransmissions or keepalive probes."},
    {"aborts_on_linger", TcpCounterFile::kNetstat, "TCPAbortOnLinger",
     "Closed connections that were not kept in FIN_WAIT2, as TCP_LINGER2 is below 0."},
    {"aborts_on_memory", TcpCounterFile::kNetstat, "TCPAbortOnMemory",
     "Closed connections given up for lack of memory, or as there are more than net.ipv4.tcp_max_orphans."},
    {"embryonic_resets", TcpCounterFile::kNetstat, "EmbryonicRsts",
     "Connection requests that a RST ended while they waited for the end of the handshake."},
    {"syn_queue_drops", TcpCounterFile::kNetstat, "TCPReqQFullDrop",
     "SYNs dropped as the queue of connection requests is full, and SYN cookies are off."},
    {"syn_cookies_sent", TcpCounterFile::kNetstat, "SyncookiesSent",
     "SYN cookies sent, as the queue of connection requests is full."},
    {"keepalive_probes", TcpCounterFile::kNetstat, "TCPKeepAlive", "Keepalive probes sent."},
    {"time_wait_overflows", TcpCounterFile::kNetstat, "TCPTimeWaitOverflow",
     "Connections that had no TIME_WAIT, as there are more than net.ipv4.tcp_max_tw_buckets."},
    {"backlog_drops", TcpCounterFile::kNetstat, "TCPBacklogDrop",
     "Segments dropped as too many waited for a socket that the application was busy with."},
    {"receive_queue_drops", TcpCounterFile::kNetstat, "TCPRcvQDrop",
     "Segments dropped as the receive queue of their socket is full."},
    {"active_opens", TcpCounterFile::kSnmp, "ActiveOpens", "Connections begun by connect()."},
    {"passive_opens", TcpCounterFile::kSnmp, "PassiveOpens",
     "Connections that came in through a listener."},
    {"segments_received", TcpCounterFile::kSnmp, "InSegs",
     "Segments received, those with errors included."},
    {"segments_sent", TcpCounterFile::kSnmp, "OutSegs",
     "Segments sent, those that were sent again excluded."},
}};

std::string all_names() {
  std::string names;
  for (const auto& row : kTable) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

}  // namespace

const TcpEventDescription& describe(TcpEvent event) {
  return kTable.at(static_cast<std::size_t>(event));
}

std::string tcp_event_table_markdown() {
  std::string table = "| event | the kernel's counter | what it counts |\n|---|---|---|\n";
  for (const auto& row : kTable) {
    const bool extended = row.file == TcpCounterFile::kNetstat;
    table += "| `" + std::string(row.name) + "` | " + (extended ? "TcpExt " : "Tcp ") +
             std::string(row.counter) + " | " + std::string(row.help) + " |\n";
  }
  return table;
}

Result<TcpEventSet> TcpEventSet::parse(std::string_view list) {
  TcpEventSet set;
  for (const auto word : comma_separated(list)) {
    const auto* const event =
        std::find_if(kTcpEvents.begin(), kTcpEvents.end(),
                     [&](TcpEvent known) { return describe(known).name == word; });
    if (event == kTcpEvents.end()) {
      return fail(ErrorKind::kMalformed,
                  "'" + std::string(word) + "' is no TCP event; known are " + all_names());
    }
    set.add(*event);
  }
  return set;
}

bool TcpEventSet::any_in(TcpCounterFile file) const {
  return std::any_of(kTcpEvents.begin(), kTcpEvents.end(),
                     [&](TcpEvent event) { return has(event) && describe(event).file == file; });
}

void TcpEventCounts::add(const TcpEventCounts& other) {
  for (const auto event : kTcpEvents) {
    auto& count = counts_.at(static_cast<std::size_t>(event));
    const auto more = other.of(event);
    count = count && more ? std::optional(*count + *more) : std::nullopt;
  }
}

bool TcpEventCounts::falls_below(const TcpEventCounts& before) const {
  return std::any_of(kTcpEvents.begin(), kTcpEvents.end(), [&](TcpEvent event) {
    const auto earlier = before.of(event);
    const auto now = of(event);
    return earlier && now && *now < *earlier;
  });
}

bool TcpEventCounts::is_zero() const {
  return std::all_of(counts_.begin(), counts_.end(),
                     [](const auto& count) { return count.value_or(0) == 0; });
}

}  // namespace closewatch
