// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "closewatch/base/result.h"
#include "closewatch/base/unique_fd.h"

namespace closewatch::crossing {

/// What the other process may send.
struct ChannelLimits {
  std::size_t bytes;      ///< of a message
  std::size_t in_second;  ///< messages; the next wait in the kernel, and their sender with them
};

/// Messages between two processes, each of a kind, over a socket of a pair: four bytes that say how
/// long it is, one for its kind, and its content. Descriptors that are sent along are not received:
/// the kernel closes them. Belongs to the thread of its context.
class Channel {
 public:
  /// Takes a message; an error ends the channel.
  using OnMessage = std::function<Result<void>(std::uint8_t kind, std::string_view content)>;
  /// Is told that nothing comes any more, and why; with an empty text, when the other has closed
  /// it.
  using OnEnd = std::function<void(const std::string& why)>;
  /// Gives a message's content when its turn has come; nullopt: it is not sent after all.
  using Write = std::function<std::optional<std::string>()>;

  Channel(boost::asio::io_context& context, UniqueFd socket, ChannelLimits limits,
          OnMessage on_message, OnEnd on_end);

  /// Sends what `write` gives. Of each kind one message waits at most: a
  /// later one takes its place. So whoever does not read costs no memory.
  void send(std::uint8_t kind, Write write);
  /// Nobody is told of this end but the other process.
  void close();

 private:
  template <typename Handler>
  auto while_here(Handler handler);
  void receive();
  void receive_rest(std::size_t size);
  void take();
  void go_on();
  void end(const boost::system::error_code& error);
  void end(const std::string& why);
  void send_next();

  boost::asio::local::stream_protocol::socket socket_;
  ChannelLimits limits_;
  OnMessage on_message_;
  OnEnd on_end_;
  boost::asio::steady_timer next_second_;
  std::size_t left_in_second_;
  std::array<char, sizeof(std::uint32_t)> head_{};
  std::string received_;
  std::map<std::uint8_t, Write> waiting_;
  std::string sending_;  ///< empty: nothing is
  std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);
};

}  // namespace closewatch::crossing
