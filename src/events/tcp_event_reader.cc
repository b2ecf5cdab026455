// SPDX-License-Identifier: Apache-2.0
#include "closewatch/events/tcp_event_reader.h"

#include <fcntl.h>

#include <string>
#include <variant>

#include "closewatch/base/file.h"
#include "closewatch/events/tcp_counters.h"
#include "closewatch/node/namespace_entry.h"

namespace closewatch {
namespace {

/// Of the directory of a process or thread.
const char* path_of(TcpCounterFile file) {
  return file == TcpCounterFile::kNetstat ? "net/netstat" : "net/snmp";
}

/// Ten times what the kernel writes.
constexpr std::size_t kMostText = std::size_t{64} << 10U;

}  // namespace

Result<TcpEventCounts> TcpEventReader::read(const LocatedNamespace& space) const {
  return std::holds_alternative<ProcessRef>(space.where) ? read_by_process(space)
                                                         : read_inside(space);
}

/// A process may go into another namespace meanwhile, and its files with it.
Result<TcpEventCounts> TcpEventReader::read_by_process(const LocatedNamespace& space) const {
  const auto process = opener_.process_in(space);
  if (!process) return tl::unexpected(process.error());
  auto counts = read_from((*process)->directory());
  if (!counts) return counts;
  if (auto still = opener_.check_stands(**process, space); !still) {
    return tl::unexpected(still.error());
  }
  return counts;
}

Result<TcpEventCounts> TcpEventReader::read_inside(const LocatedNamespace& space) const {
  const auto opened = opener_.open(space);
  if (!opened) return tl::unexpected(opened.error());
  const auto entry = NamespaceEntry::make();
  if (!entry) return tl::unexpected(entry.error());
  Result<TcpEventCounts> counts;
  // Not /proc/self: that is the main thread's namespace, not ours.
  const auto done = entry->run(opened->fd.get(), [&] {
    const auto thread = open_at(kWorkingDirectory, "/proc/thread-self", O_PATH | O_DIRECTORY);
    counts = thread ? read_from(thread->get()) : tl::unexpected(thread.error());
  });
  if (!done) return tl::unexpected(done.error());
  return counts;
}

Result<TcpEventCounts> TcpEventReader::read_from(int directory) const {
  TcpEventCounts counts;
  std::string text;
  for (const auto file : kTcpCounterFiles) {
    if (!wanted_.any_in(file)) continue;
    if (auto done = read_file_at(directory, path_of(file), text, kMostText); !done) {
      return tl::unexpected(done.error());
    }
    if (auto done = parse_tcp_counters(text, file, wanted_, counts); !done) {
      return tl::unexpected(done.error());
    }
  }
  return counts;
}

}  // namespace closewatch
