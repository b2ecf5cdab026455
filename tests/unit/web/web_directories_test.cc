// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "closewatch/web/web_access.h"

namespace closewatch::web {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class WebDirectories : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "web-directories-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = std::filesystem::canonical(name);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string file(const std::string& path, const std::string& text = "") const {
    const auto whole = root_ / path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
    return whole;
  }
  std::string below(const std::string& path) const { return root_ / path; }

  std::filesystem::path root_;
};

TEST_F(WebDirectories, ThereAreNoneWithoutAFile) {
  EXPECT_THAT(*directories_of_web_config(""), IsEmpty());
}

TEST_F(WebDirectories, AreThoseOfTheFilesThatAreNamed) {
  file("keys/tls.key");
  const auto config = file("web.yml", "tls_server_config: {cert_file: certs/tls.crt, key_file: " +
                                          below("keys/tls.key") + "}");
  EXPECT_THAT(*directories_of_web_config(config),
              UnorderedElementsAre(root_.string(), below("certs"), below("keys")));
}

/// As certbot and the kubelet have them: a link leads to what is replaced.
TEST_F(WebDirectories, AreWhereLinksLead) {
  file("archive/tls1.crt");
  std::filesystem::create_directories(root_ / "live");
  std::filesystem::create_symlink("../archive/tls1.crt", root_ / "live/tls.crt");
  const auto config =
      file("live/web.yml", "tls_server_config: {cert_file: tls.crt, key_file: tls.crt}");
  EXPECT_THAT(*directories_of_web_config(config),
              UnorderedElementsAre(below("live"), below("archive")));
}

TEST_F(WebDirectories, AMistakeIsSaid) {
  EXPECT_THAT(directories_of_web_config(file("web.yml", "tls: 1")).error().what,
              HasSubstr("web.yml"));
  EXPECT_FALSE(directories_of_web_config(below("none")));
}

}  // namespace
}  // namespace closewatch::web
