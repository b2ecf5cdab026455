#include "closewatch/node/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

double seconds_of(const timeval& time) {
  constexpr double kMicro = 1e-6;
  return static_cast<double>(time.tv_sec) + kMicro * static_cast<double>(time.tv_usec);
}

std::uint64_t count_open_fds() {
  auto directory = Directory::open(kWorkingDirectory, "/proc/self/fd");
  if (!directory) return 0;
  std::uint64_t count = 0;
  DirectoryEntry entry{};
  while (directory->next(entry).value_or(false)) ++count;
  return count - 1;  // the one that counts
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats stats;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    stats.cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = limit.rlim_cur;
  stats.open_fds = count_open_fds();
  std::string statm;  // "size resident …", in pages, proc(5)
  if (read_file_at(kWorkingDirectory, "/proc/self/statm", statm)) {
    std::istringstream fields(statm);
    fields >> stats.virtual_bytes >> stats.resident_bytes;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    stats.virtual_bytes *= page;
    stats.resident_bytes *= page;
  }
  return stats;
}

}  // namespace closewatch
