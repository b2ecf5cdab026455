// SPDX-License-Identifier: Apache-2.0
#include "tests/support/network_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace closewatch::testing {
namespace {

void check(bool succeeded, const std::string& what) {
  if (!succeeded) throw std::system_error(errno, std::generic_category(), what);
}

/// Runs `work` on a thread and hands its exception to the caller.
void on_a_thread(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

void set_loopback(bool up) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::string("lo").copy(static_cast<char*>(request.ifr_name), 2);
  request.ifr_flags = static_cast<short>(up ? IFF_UP | IFF_RUNNING : 0);
  check(::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0,
        "bringing lo up or down (are you root?)");
}

}  // namespace

NetworkNamespace::NetworkNamespace(const std::string& name, const std::function<void()>& furnish,
                                   Resident resident)
    : name_("cw" + std::to_string(::getpid()) + "-" + name) {
  ::mkdir("/run/netns", 0755);
  std::ofstream(path()).flush();
  on_a_thread([&] {
    check(::unshare(CLONE_NEWNET) == 0, "making a network namespace (are you root?)");
    set_loopback(true);
    if (furnish) furnish();
    if (resident == Resident::kOne) start_resident();
    check(::mount("/proc/thread-self/ns/net", path().c_str(), "none", MS_BIND, nullptr) == 0,
          "naming a network namespace");
  });
}

/// A process of this thread's namespace that does nothing, without which the engine procfs could
/// not get at it.
void NetworkNamespace::start_resident() {
  // Not PR_SET_PDEATHSIG, which comes with the end of the thread: a namespace may be made on one.
  // The call itself, as glibc 2.36 declares its wrapper for C alone.
  const UniqueFd test(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  check(test.valid(), "watching this process");
  resident_ = ::fork();
  check(resident_ >= 0, "making a process");
  if (resident_ > 0) return;
  ::dup2(test.get(), 0);
  ::close_range(1, ~0U, 0);  // it shall keep nothing open that a test has
  pollfd end_of_test{.fd = 0, .events = POLLIN, .revents = 0};
  ::poll(&end_of_test, 1, -1);
  ::_exit(0);
}

NetworkNamespace::NetworkNamespace(NetworkNamespace&& other) noexcept
    : name_(std::exchange(other.name_, {})), resident_(std::exchange(other.resident_, 0)) {}

NetworkNamespace::~NetworkNamespace() {
  if (name_.empty()) return;
  if (resident_ > 0) {
    ::kill(resident_, SIGKILL);
    ::waitpid(resident_, nullptr, 0);
  }
  ::umount2(path().c_str(), MNT_DETACH);
  ::unlink(path().c_str());
}

UniqueFd NetworkNamespace::open() const {
  UniqueFd fd(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
  check(fd.valid(), "opening " + path());
  return fd;
}

void NetworkNamespace::run(const std::function<void()>& work) const {
  on_a_thread([&] {
    check(::setns(open().get(), CLONE_NEWNET) == 0, "entering " + path());
    work();
  });
}

void NetworkNamespace::cut_wire(bool cut) const {
  run([&] { set_loopback(!cut); });
}

void NetworkNamespace::sysctl(const std::string& key, const std::string& value) const {
  auto file = "/proc/sys/" + key;
  std::replace(file.begin() + 10, file.end(), '.', '/');
  run([&] {
    std::ofstream out(file);
    out << value << std::flush;
    check(out.good(), "writing " + file);
  });
}

void wait_until(const std::string& what, const std::function<bool()>& condition) {
  constexpr std::chrono::seconds kGenerous{60};
  const auto deadline = std::chrono::steady_clock::now() + kGenerous;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("waited in vain until " + what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace closewatch::testing
