// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/api_transport.h"

namespace closewatch {

/// What the API server says of who shows a token and asks for a path.
struct AccessVerdict {
  enum class Kind : std::uint8_t {
    kAllowed,
    kForbidden,  ///< its owner may not get that path
    kNobodys,    ///< it is no token, or none any more, or for others
  };
  Kind kind{};
  std::string user{};  ///< the token's owner, 256 bytes at most; empty for kNobodys
};

/// Asks the API server, by a TokenReview whose a token is, and by a SubjectAccessReview whether its
/// owner may get a path. Needs the right to create both, as system:auth-delegator gives it.
/// Everything happens on the thread of the io_context.
class AccessReviewer {
 public:
  AccessReviewer() = default;
  AccessReviewer(const AccessReviewer&) = delete;
  AccessReviewer& operator=(const AccessReviewer&) = delete;
  virtual ~AccessReviewer() = default;

  /// Errors say why it is not known, with the remedy: kDenied, kMalformed, kOverLimit, kSystem.
  using Done = std::function<void(const Result<AccessVerdict>&)>;
  /// Returns at once; `done` is called once, later. It is given up at `until`.
  virtual void review(std::string token, std::string path,
                      std::chrono::steady_clock::time_point until, Done done) = 0;
};

/// Without `audiences` tokens must be for the API server itself. It must live until the io_context
/// runs no more.
std::unique_ptr<AccessReviewer> make_access_reviewer(boost::asio::io_context& context,
                                                     std::unique_ptr<ApiTransport> transport,
                                                     std::vector<std::string> audiences);

}  // namespace closewatch
