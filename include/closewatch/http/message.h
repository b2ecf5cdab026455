// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "closewatch/http/content.h"

namespace closewatch::http {

inline constexpr unsigned kOk = 200;

struct Request {
  std::string method;                 ///< "GET", "HEAD" …
  std::string path;                   ///< as it was sent, without the query
  std::vector<std::string> segments;  ///< of the path, decoded: {"api", "v1"} of "/api/%761"
  std::string host{};                 ///< by what name it was asked; empty: HTTP/1.0 told none
  std::string authorization{};        ///< the header; empty: there is none
  std::string client{};  ///< its address; empty: a UNIX socket, which lets in root alone
};

struct Response {
  unsigned status = kOk;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  /// What the body begins with, or null. All that is long is in one that is shared.
  std::shared_ptr<const Content> front{};
  bool always = false;  ///< whether it is given however much others are still being given
  std::vector<std::pair<std::string, std::string>> headers{};  ///< more of them
};

/// What an answer that is none says, as a person can be told: its body's first line, printable and
/// not long, whoever it is from. Pure.
std::string first_line(const Response& response);

/// The whole of a body.
std::string text_of(const Response& response);

/// Gives the answer, once, on the server's thread.
using Reply = std::function<void(Response)>;

/// Answers a request, at once or later. Called on the server's thread, one at a time; must not
/// block. May throw before it answers: that is a 500.
using Handler = std::function<void(const Request&, const Reply&)>;

}  // namespace closewatch::http
