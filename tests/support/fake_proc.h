// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/support/fake_tree.h"

namespace closewatch::testing {

/// A made-up /proc: processes with a cgroup, a command and a network namespace, which is a plain
/// file here, shared as a hard link.
class FakeProc {
 public:
  FakeProc() { process(1, "init", "0::/init.scope\n", "host"); }

  /// `started`: clock ticks since the boot.
  void process(pid_t pid, const std::string& command, const std::string& cgroup,
               const std::string& network_namespace, unsigned started = 100) const {
    const auto directory = "proc/" + std::to_string(pid) + "/";
    tree_.add(directory + "cgroup", cgroup);
    std::filesystem::remove(tree_.path(directory + "exe"));
    std::filesystem::create_symlink("/bin/" + command, tree_.path(directory + "exe"));
    tree_.add(directory + "stat", std::to_string(pid) + " (" + command + ") S" + zeros() +
                                      std::to_string(started) + " 0");
    const auto file = "namespaces/" + network_namespace;
    if (!std::filesystem::exists(tree_.path(file))) tree_.add(file);
    tree_.add_same(directory + "ns/net", file);
    tree_.add(directory + "ns/mnt");
  }

  /// Puts a process into the mount namespace of another.
  void share_mounts(pid_t pid, pid_t other) const {
    const auto mounts = "proc/" + std::to_string(pid) + "/ns/mnt";
    tree_.remove(mounts);
    tree_.add_same(mounts, "proc/" + std::to_string(other) + "/ns/mnt");
  }

  /// A zombie: its directory is there, its namespace is not.
  void zombie(pid_t pid, const std::string& cgroup) const {
    const auto directory = "proc/" + std::to_string(pid) + "/";
    tree_.add(directory + "cgroup", cgroup);
  }

  /// Opens a socket as a descriptor of a process.
  void socket(pid_t pid, int descriptor, std::uint32_t inode) const {
    const auto directory = tree_.path("proc/" + std::to_string(pid) + "/fd/");
    std::filesystem::create_directories(directory);
    std::filesystem::create_symlink("socket:[" + std::to_string(inode) + "]",
                                    directory + std::to_string(descriptor));
  }

  [[nodiscard]] std::string path() const { return tree_.path("proc"); }
  [[nodiscard]] const FakeTree& tree() const { return tree_; }

 private:
  static std::string zeros() {  // fields 4 to 21 of /proc/PID/stat
    std::string text;
    for (int i = 0; i < 18; ++i) text += " 0";
    return text + " ";
  }

  FakeTree tree_;
};

}  // namespace closewatch::testing
