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

void enter_cgroup(const std::string& folder) {
  std::ofstream procs(folder + "/cgroup.procs");
  procs << ::getpid() << std::flush;
  if (!procs.good()) throw std::runtime_error("cannot move a process to " + folder);
}

CgroupPod::CgroupPod(const FakeTree& logs, const std::string& name, std::string root)
    : logs_(logs), name_(name), root_(std::move(root)) {
  const auto uid = "cw" + std::to_string(::getpid()) + "-" + name;
  pod_folder_ = add_folder(root_ + "/kubepods/pod" + uid);
  logs_.add("pods/shop_" + name + "_" + uid + "/");
}

CgroupPod::~CgroupPod() {
  for (; !folders_.empty(); folders_.pop_back()) ::rmdir(folders_.back().c_str());
  ::rmdir((root_ + "/kubepods").c_str());  // succeeds for the last one
}

std::string CgroupPod::add_container(const std::string& container) {
  const auto id =
      fmt::format("{:048x}{:016x}", containers_++, std::hash<std::string>()(pod_folder_));
  logs_.add("containers/" + name_ + "_shop_" + container + "-" + id + ".log");
  return add_folder(pod_folder_ + "/" + id);
}

std::string CgroupPod::add_folder(const std::string& path) {
  std::filesystem::create_directories(path);
  folders_.push_back(path);
  return path;
}

}  // namespace closewatch::testing
