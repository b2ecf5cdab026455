// SPDX-License-Identifier: Apache-2.0
#include "confinement/system_calls.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>

namespace closewatch {
namespace {

// A list of what is allowed: a call that a later kernel adds is not in it. What a program of the C
// library, Asio and OpenSSL makes that keeps connections, reads files, has threads, and ends.
constexpr std::initializer_list<int> kAllowed = {
    // memory
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // threads, time, its own signals
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid),
    SCMP_SYS(geteuid), SCMP_SYS(getuid), SCMP_SYS(getegid), SCMP_SYS(getgid), SCMP_SYS(exit),
    SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrusage), SCMP_SYS(getrandom),
    SCMP_SYS(uname), SCMP_SYS(sysinfo),
    // files: which of them, Landlock says
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx),
    // connections that are there
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
    SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(poll), SCMP_SYS(ppoll)};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/// What a sanitizer asks for itself: it writes what may be no memory into a pipe, to see whether it
/// is (IsAccessibleMemoryRange() of compiler-rt), and looks up its own program.
constexpr std::initializer_list<int> kOfSanitizers = {
    SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(mincore)};
#else
constexpr std::initializer_list<int> kOfSanitizers = {};
#endif

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), &::seccomp_release) {}

  /// Where all `conditions` hold.
  void allow(int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    add(SCMP_ACT_ALLOW, call, conditions);
  }
  /// As a kernel does that does not have it: the C library then takes an older one.
  void hide(int call) { add(SCMP_ACT_ERRNO(ENOSYS), call, {}); }

  Result<void> load() {
    if (context_ == nullptr) return fail_errno(ENOMEM, "seccomp");
    if (status_ == 0) status_ = ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
    if (status_ == 0) status_ = ::seccomp_load(context_.get());
    if (status_ == 0) return {};
    if (status_ == -EINVAL || status_ == -ENOSYS) {
      return fail(ErrorKind::kUnsupported, "the kernel has no filters of seccomp");
    }
    return fail_errno(-status_, "seccomp");
  }

 private:
  void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> conditions) {
    if (context_ == nullptr || status_ != 0) return;
    status_ = ::seccomp_rule_add_array(
        context_.get(), action, call, static_cast<unsigned>(conditions.size()), conditions.begin());
  }

  std::unique_ptr<void, decltype(&::seccomp_release)> context_;
  int status_ = 0;
};

scmp_arg_cmp is(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
/// Of the bits of `mask` those of `value` are set.
scmp_arg_cmp has(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/// Nothing that was written becomes a program.
void allow_memory(Filter& filter) {
  constexpr std::uint64_t kProgram{PROT_EXEC};
  filter.allow(SCMP_SYS(mmap), {has(2, kProgram, 0)});
  filter.allow(SCMP_SYS(mprotect), {has(2, kProgram, 0)});
}

/// Threads of its own: no process, and no namespace.
void allow_threads(Filter& filter) {
  constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  constexpr std::uint64_t kThread{CLONE_THREAD};
  filter.allow(SCMP_SYS(clone), {has(0, kThread | kNamespaces, kThread)});
  filter.hide(SCMP_SYS(clone3));  // its flags are in memory, where no filter sees them
  // abort(3) and the like. To nobody else, though others may have the same user.
  filter.allow(SCMP_SYS(tgkill), {is(0, static_cast<std::uint64_t>(::getpid()))});
  constexpr std::uint64_t kNameOfMemory = 0x53564d41;  // PR_SET_VMA, malloc's of some C libraries
  for (const std::uint64_t option : {std::uint64_t{PR_SET_NAME}, kNameOfMemory}) {
    filter.allow(SCMP_SYS(prctl), {is(0, option)});
  }
  // A thread may give way to others: itself.
  filter.allow(SCMP_SYS(setpriority), {is(0, PRIO_PROCESS), is(1, 0)});
  // Limits are looked at, its own.
  filter.allow(SCMP_SYS(prlimit64), {is(0, 0), is(2, 0)});
}

/// Nothing is written, whether there is Landlock or not.
void allow_reading(Filter& filter) {
  constexpr std::uint64_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
  filter.allow(SCMP_SYS(open), {has(1, kWriting, O_RDONLY)});
  filter.allow(SCMP_SYS(openat), {has(2, kWriting, O_RDONLY)});
  for (const int command : {F_GETFL, F_SETFL, F_GETFD, F_SETFD}) {
    // Not F_SETOWN: that sends signals to others.
    filter.allow(SCMP_SYS(fcntl), {is(1, static_cast<std::uint64_t>(command))});
  }
  for (const int request : {FIONBIO, FIONREAD, SIOCOUTQ, TCGETS}) {
    filter.allow(SCMP_SYS(ioctl), {is(1, static_cast<std::uint64_t>(request))});
  }
}

void allow_options(Filter& filter) {
  const auto allow = [&](int level, std::initializer_list<int> options) {
    for (const int option : options) {
      filter.allow(SCMP_SYS(setsockopt), {is(1, static_cast<std::uint64_t>(level)),
                                          is(2, static_cast<std::uint64_t>(option))});
    }
  };
  // Not SO_ATTACH_FILTER, which loads a program into the kernel, nor TCP_ULP.
  allow(SOL_SOCKET, {SO_KEEPALIVE, SO_LINGER, SO_RCVBUF, SO_SNDBUF});
  allow(IPPROTO_TCP, {TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT});
  allow(IPPROTO_IP, {IP_RECVERR});  // the resolver of the C library
  allow(IPPROTO_IPV6, {IPV6_RECVERR});
}

/// To the API server and to those who know its address: over TCP and UDP, nothing else. It listens
/// nowhere that it has not listened before.
void allow_connecting(Filter& filter) {
  constexpr std::uint64_t kFlags{SOCK_NONBLOCK | SOCK_CLOEXEC};
  for (const auto family : {std::uint64_t{AF_INET}, std::uint64_t{AF_INET6}}) {
    for (const auto type : {std::uint64_t{SOCK_STREAM}, std::uint64_t{SOCK_DGRAM}}) {
      filter.allow(SCMP_SYS(socket), {is(0, family), has(1, ~kFlags, type)});
    }
  }
  filter.allow(SCMP_SYS(connect));
  filter.allow(SCMP_SYS(sendmmsg));
}

}  // namespace

Result<void> confine_system_calls(bool asks) {
  Filter filter;
  for (const int call : kAllowed) filter.allow(call);
  for (const int call : kOfSanitizers) filter.allow(call);
  allow_memory(filter);
  allow_threads(filter);
  allow_reading(filter);
  allow_options(filter);
  if (asks) allow_connecting(filter);
  return filter.load();
}

}  // namespace closewatch
