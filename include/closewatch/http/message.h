#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace closewatch::http {

inline constexpr unsigned kOk = 200;

struct Request {
  std::string method;                 ///< "GET", "HEAD" …
  std::string path;                   ///< as it was sent, without the query
  std::vector<std::string> segments;  ///< of the path, decoded: {"api", "v1"} of "/api/%761"
};

struct Response {
  unsigned status = kOk;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string packed{};  ///< the body in gzip's format, from who has it already; empty: nobody
  std::vector<std::pair<std::string, std::string>> headers{};  ///< more of them
};

/// What an answer that is none says, as a person can be told: its body's first line, printable and
/// not long, whoever it is from. Pure.
std::string first_line(const Response& response);

/// Answers a request. Called on the server's thread, one at a time; must not block. May throw: that
/// is a 500.
using Handler = std::function<Response(const Request&)>;

}  // namespace closewatch::http
