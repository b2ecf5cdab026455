// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>

#include "closewatch/http/content.h"
#include "closewatch/http/message.h"

namespace closewatch::http {

/// A body of two parts in one another's sequence, which are somebody else's.
struct TwoParts {
  using value_type = std::array<boost::asio::const_buffer, 2>;
  static std::uint64_t size(const value_type& parts) { return boost::asio::buffer_size(parts); }

  class writer {  // NOLINT(readability-identifier-naming): the library's name
   public:
    using const_buffers_type = value_type;
    template <bool is_request, typename Fields>
    writer(const boost::beast::http::header<is_request, Fields>& /*header*/,
           const value_type& parts)
        : parts_(parts) {}
    static void init(boost::system::error_code& error) { error = {}; }
    boost::optional<std::pair<const_buffers_type, bool>> get(boost::system::error_code& error) {
      error = {};
      return {{parts_, false}};
    }

   private:
    const value_type& parts_;
  };
};

using WireRequest = boost::beast::http::request<boost::beast::http::string_body>;
using WireResponse = boost::beast::http::response<TwoParts>;

/// An answer with all that it is made of, packed where its client accepts that and it is worth it.
class Answer {
 public:
  Answer(const WireRequest& request, Response response, bool closes);
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  Answer(Answer&&) = delete;
  Answer& operator=(Answer&&) = delete;
  ~Answer() = default;

  WireResponse& message() { return message_; }
  [[nodiscard]] bool is_last() const { return message_.need_eof(); }
  /// In bytes, without its headers.
  [[nodiscard]] std::uint64_t size() const { return TwoParts::size(message_.body()); }

 private:
  std::string_view pack(std::string_view plain);

  WireResponse message_;
  std::shared_ptr<const Content> front_;
  std::string end_;
};

}  // namespace closewatch::http
