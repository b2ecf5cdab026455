// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "web/failure_limit.h"
#include "web/fingerprints.h"
#include "web/hashing_thread.h"

namespace boost::asio {
class io_context;
}

namespace closewatch::web {

using Users = std::map<std::string, std::string>;  ///< name and hash

enum class Verdict : std::uint8_t {
  kRight,
  kWrong,
  kTooOften,  ///< it was not looked at: this client has been wrong too often
  kBusy,      ///< it was not looked at: too many others are
};

/// Whether a user's password is right. Somebody who is no user takes as long to find out, and who
/// floods it with wrong ones keeps out nobody whose password was right before. Belongs to the
/// thread of `context`.
class PasswordCheck {
 public:
  explicit PasswordCheck(boost::asio::io_context& context) : context_(context) {}

  using Done = std::function<void(Verdict)>;
  /// `client` is an address. `done` is called on the thread of the context, at once or later.
  void check(const Users& users, const std::string& user, std::string password,
             const std::string& client, Done done);

 private:
  struct Waiting {
    std::string client;
    Done done;
  };

  void on_hashed(const Fingerprint& fingerprint, bool fits);

  boost::asio::io_context& context_;
  Fingerprints right_;
  FailureLimit failures_;
  std::map<Fingerprint, std::vector<Waiting>> waiting_;  ///< for one and the same hash
  HashingThread hashing_;  // last, so that its thread ends before what it uses
};

}  // namespace closewatch::web
