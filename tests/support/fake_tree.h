// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace closewatch::testing {

/// A directory of made-up files that stands in for /proc, /sys/fs/cgroup or /var/log, declared as
/// (path, content) pairs; a path that ends with "/" is a directory. Gone with the object.
class FakeTree {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;

  explicit FakeTree(const Entries& entries = {}) {
    std::string pattern = std::filesystem::temp_directory_path() / "closewatch-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    for (const auto& [path, content] : entries) add(path, content);
  }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;
  FakeTree(FakeTree&&) = delete;
  FakeTree& operator=(FakeTree&&) = delete;
  ~FakeTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  void add(const std::string& path, const std::string& content = "") const {
    const auto whole = root_ / path;
    if (path.ends_with('/')) {
      std::filesystem::create_directories(whole);
      return;
    }
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole, std::ios::binary) << content;
  }

  /// Makes `path` the same file as `existing`, as two processes share one namespace.
  void add_same(const std::string& path, const std::string& existing) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::filesystem::create_hard_link(root_ / existing, root_ / path);
  }

  void remove(const std::string& path) const { std::filesystem::remove_all(root_ / path); }

  [[nodiscard]] std::string path(const std::string& below = "") const {
    return below.empty() ? root_.string() : (root_ / below).string();
  }

 private:
  std::filesystem::path root_;
};

}  // namespace closewatch::testing
