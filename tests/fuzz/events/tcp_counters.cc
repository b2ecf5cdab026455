// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_counters.h"

#include <string>

#include "tests/fuzz/fuzz.h"

namespace closewatch::fuzz {
namespace {

/// As netstat_seq_show() and snmp_seq_show_tcp_udp() write them.
std::string encoded(TcpCounterFile file, const TcpEventCounts& counts) {
  const std::string group = file == TcpCounterFile::kNetstat ? "TcpExt:" : "Tcp:";
  auto names = group + " Other";
  auto numbers = group + " -1";
  for (const auto event : kTcpEvents) {
    if (describe(event).file != file || !counts.of(event)) continue;
    names += " " + std::string(describe(event).counter);
    numbers += " " + std::to_string(*counts.of(event));
  }
  return names + "\n" + numbers + "\n";
}

}  // namespace

void attempt(std::string_view input) {
  const auto file = kTcpCounterFiles.at(take_byte(input) % kTcpCounterFiles.size());
  TcpEventSet wanted;
  for (const auto event : kTcpEvents) {
    if (event != TcpEvent::kListenDrops) wanted.add(event);
  }
  TcpEventCounts counts;
  const auto done = parse_tcp_counters(input, file, wanted, counts);
  if (!done) {
    require(is_printable(done.error().what), "an error is fit for a log");
    require(counts == TcpEventCounts(), "what is not understood leaves no numbers");
    return;
  }
  require(!counts.of(TcpEvent::kListenDrops), "what nobody wants is not there");
  for (const auto event : kTcpEvents) {
    require(!counts.of(event) || describe(event).file == file, "numbers are of their own file");
  }
  TcpEventCounts again;
  require(parse_tcp_counters(encoded(file, counts), file, wanted, again) && again == counts,
          "parsing what was written gives the same");
}

}  // namespace closewatch::fuzz
