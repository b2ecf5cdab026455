// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <boost/json/basic_parser_impl.hpp>

#include "closewatch/base/result.h"
#include "kubernetes/pod_handler.h"

namespace closewatch {

/// One document, or one after the other.
class DocumentParser {
 public:
  DocumentParser(JsonPlace root, std::size_t most_pods) : parser_(options(), root, most_pods) {}

  Result<void> feed(std::string_view piece) {
    if (piece.empty()) return {};
    boost::system::error_code error;
    const auto taken = parser_.write_some(true, piece.data(), piece.size(), error);
    if (error) return failure(error);
    begun_ = true;
    if (taken == piece.size()) return {};
    return fail(ErrorKind::kMalformed, "no JSON (extra data)");
  }

  /// There is no more of this document.
  Result<void> end() {
    boost::system::error_code error;
    parser_.write_some(false, nullptr, 0, error);
    if (error) return failure(error);
    parser_.reset();
    begun_ = false;
    return {};
  }

  [[nodiscard]] bool begun() const { return begun_; }
  PodHandler& handler() { return parser_.handler(); }

 private:
  static boost::json::parse_options options() {
    boost::json::parse_options options;
    options.max_depth = PodHandler::kJsonDepth;
    return options;
  }

  Result<void> failure(const boost::system::error_code& error) {
    if (handler().trouble()) return tl::unexpected(*handler().trouble());
    return fail(ErrorKind::kMalformed, "no JSON (" + error.message() + ")");
  }

  boost::json::basic_parser<PodHandler> parser_;
  bool begun_ = false;
};

}  // namespace closewatch
