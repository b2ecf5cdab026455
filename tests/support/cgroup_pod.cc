// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cgroup_pod.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace closewatch::testing {

std::string cgroup_root() {
  const std::string unified = "/sys/fs/cgroup/unified";
  return std::filesystem::exists(unified) ? unified : "/sys/fs/cgroup";
}

void enter_cgroup(const std::string& directory) {
  std::ofstream procs(directory + "/cgroup.procs");
  procs << ::getpid() << std::flush;
  if (!procs.good()) throw std::runtime_error("cannot move a process to " + directory);
}

CgroupPod::CgroupPod(const FakeTree& logs, const std::string& name, std::string root)
    : logs_(logs), name_(name), root_(std::move(root)) {
  const auto uid = "cw" + std::to_string(::getpid()) + "-" + name;
  pod_directory_ = add_directory(root_ + "/kubepods/pod" + uid);
  logs_.add("pods/shop_" + name + "_" + uid + "/");
}

CgroupPod::~CgroupPod() {
  for (; !directories_.empty(); directories_.pop_back()) ::rmdir(directories_.back().c_str());
  ::rmdir((root_ + "/kubepods").c_str());  // succeeds for the last one
}

std::string CgroupPod::add_container(const std::string& container) {
  const auto id =
      fmt::format("{:048x}{:016x}", containers_++, std::hash<std::string>()(pod_directory_));
  logs_.add("containers/" + name_ + "_shop_" + container + "-" + id + ".log");
  return add_directory(pod_directory_ + "/" + id);
}

std::string CgroupPod::add_directory(const std::string& path) {
  std::filesystem::create_directories(path);
  directories_.push_back(path);
  return path;
}

}  // namespace closewatch::testing
