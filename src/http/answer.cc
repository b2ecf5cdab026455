// SPDX-License-Identifier: Apache-2.0
#include "http/answer.h"

#include <algorithm>
#include <cstddef>

#include "closewatch/http/gzip.h"
#include "http/beast_text.h"

namespace closewatch::http {
namespace {

namespace wire = boost::beast::http;

constexpr std::size_t kWorthPacking = 1024;  // below, one packet carries it anyway

/// A weight of nothing: "0", "0.", "0.0" … (RFC 9110, section 12.4.2).
bool is_zero(std::string_view weight) {
  return weight.starts_with('0') && weight.find_first_not_of("0.") == std::string_view::npos;
}

bool accepts_gzip(const WireRequest& request) {
  for (const auto& [coding, parameters] : wire::ext_list(request[wire::field::accept_encoding])) {
    if (!boost::beast::iequals(coding, "gzip")) continue;
    return std::none_of(parameters.begin(), parameters.end(), [](const auto& parameter) {
      const auto& [name, value] = parameter;
      return boost::beast::iequals(name, "q") && is_zero(view(value));
    });
  }
  return false;
}

}  // namespace

Answer::Answer(const WireRequest& request, Response response, bool closes)
    : message_(static_cast<wire::status>(response.status), request.version()),
      front_(std::move(response.front)),
      end_(std::move(response.body)) {
  message_.set(wire::field::content_type, response.content_type);
  message_.set("X-Content-Type-Options", "nosniff");
  if (message_.result() == wire::status::method_not_allowed) {
    message_.set(wire::field::allow, "GET, HEAD");
  }
  message_.set(wire::field::vary, "Accept-Encoding");
  for (const auto& [name, value] : response.headers) message_.set(name, value);
  std::string_view front = front_ == nullptr ? std::string_view() : front_->text();
  if (front.size() + end_.size() >= kWorthPacking && accepts_gzip(request)) front = pack(front);
  message_.keep_alive(request.keep_alive() && !closes);
  message_.content_length(front.size() + end_.size());
  if (request.method() == wire::verb::head) return;
  message_.body() = {boost::asio::const_buffer(front.data(), front.size()),
                     boost::asio::buffer(end_)};
}

/// The packed front; plain as it was where zlib fails.
std::string_view Answer::pack(std::string_view plain) {
  static const PackedFront nothing = pack_front("");
  const auto& front = front_ == nullptr ? nothing : front_->packed();
  auto end = pack_end(front, end_);
  if (front.bytes.empty() || end.empty()) return plain;
  message_.set(wire::field::content_encoding, "gzip");
  end_ = std::move(end);
  return front.bytes;
}

}  // namespace closewatch::http
