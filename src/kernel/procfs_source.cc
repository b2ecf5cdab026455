// SPDX-License-Identifier: Apache-2.0
#include "kernel/procfs_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "closewatch/base/file.h"
#include "kernel/proc_net_tcp.h"

namespace closewatch {
namespace {

// seq_read_iter() in fs/seq_file.c gives as many whole lines as fit its own buffer, a page at
// first.
constexpr std::size_t kTextBuffer = std::size_t{64} << 10U;

}  // namespace

ProcfsSource::ProcfsSource() : buffer_(kTextBuffer) {}

Result<SocketReading> ProcfsSource::read(int network_namespace, const SocketQuery& query,
                                         RowSink& sink) {
  ToldOnce once(seen_, sink);
  once.restart();
  if (auto done = read_file(network_namespace, "tcp", query, once); !done) {
    return tl::unexpected(done.error());
  }
  const auto ipv6 = read_file(network_namespace, "tcp6", query, once);
  if (ipv6) return SocketReading{};
  if (ipv6.error().kind != ErrorKind::kGone) return tl::unexpected(ipv6.error());
  // A kernel without IPv6 has no such file; but nor has a process that has ended.
  const auto alive = open_at(network_namespace, "tcp", O_RDONLY);
  if (!alive) return tl::unexpected(alive.error());
  return SocketReading{};
}

Result<void> ProcfsSource::read_file(int directory, const char* file, const SocketQuery& query,
                                     RowSink& sink) {
  const auto fd = open_at(directory, file, O_RDONLY);
  if (!fd) return tl::unexpected(fd.error());
  bool heading = true;
  std::size_t kept = 0;  // the beginning of a line
  while (true) {
    const auto got = ::read(fd->get(), buffer_.data() + kept, buffer_.size() - kept);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, std::string("reading /proc/PID/net/") + file);
    if (got == 0) break;
    const auto size = kept + static_cast<std::size_t>(got);
    const auto taken = take_lines({buffer_.data(), size}, heading, query, sink);
    if (!taken) return tl::unexpected(taken.error());
    kept = size - *taken;
    std::memmove(buffer_.data(), buffer_.data() + *taken, kept);
    if (kept == buffer_.size()) break;
  }
  if (kept > 0) return fail(ErrorKind::kMalformed, "/proc/PID/net/tcp ends within a line");
  return {};
}

/// Returns how much of the text was whole lines.
Result<std::size_t> ProcfsSource::take_lines(std::string_view text, bool& heading,
                                             const SocketQuery& query, RowSink& sink) {
  std::size_t taken = 0;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', taken)) {
    const auto line = text.substr(taken, end - taken);
    taken = end + 1;
    if (heading) {
      heading = false;
      continue;
    }
    const auto row = proc_net_tcp::parse_line(line);
    if (!row) return tl::unexpected(row.error());
    if ((query.states & bit_of(row->state)) != 0) sink.row(*row);
  }
  return taken;
}

}  // namespace closewatch
