// SPDX-License-Identifier: Apache-2.0
#include "crossing/channel.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace closewatch::crossing {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// So much of a message is made room for before its bytes are there.
constexpr std::size_t kPiece = std::size_t{64} << 10U;

std::string framed(std::uint8_t kind, const std::string& content) {
  const auto size = static_cast<std::uint32_t>(content.size() + 1);
  std::string frame(sizeof(size) + 1, '\0');
  std::memcpy(frame.data(), &size, sizeof(size));
  frame.back() = static_cast<char>(kind);
  frame += content;
  return frame;
}

}  // namespace

/// What was done already when the channel went is told to it no more, nor is what was given up.
template <typename Handler>
auto Channel::while_here(Handler handler) {
  return [here = std::weak_ptr(here_), handler = std::move(handler)](const error_code& error,
                                                                     auto...) {
    if (!here.expired() && error != asio::error::operation_aborted) handler(error);
  };
}

Channel::Channel(asio::io_context& context, UniqueFd socket, ChannelLimits limits,
                 OnMessage on_message, OnEnd on_end)
    : socket_(context, asio::local::stream_protocol(), socket.release()),
      limits_(limits),
      on_message_(std::move(on_message)),
      on_end_(std::move(on_end)),
      next_second_(context),
      left_in_second_(limits.in_second) {
  next_second_.expires_after(std::chrono::seconds(1));
  receive();
}

void Channel::receive() {
  asio::async_read(socket_, asio::buffer(head_), while_here([this](const error_code& error) {
                     if (error) return end(error);
                     std::uint32_t size = 0;
                     std::memcpy(&size, head_.data(), sizeof(size));
                     if (size == 0 || size > limits_.bytes)
                       return end(fmt::format("a message of {} bytes", size));
                     received_.clear();
                     receive_rest(size);
                   }));
}

void Channel::receive_rest(std::size_t size) {
  const auto begin = received_.size();
  received_.resize(std::min(size, begin + kPiece));
  asio::async_read(socket_, asio::buffer(received_.data() + begin, received_.size() - begin),
                   while_here([this, size](const error_code& error) {
                     if (error) return end(error);
                     if (received_.size() < size) return receive_rest(size);
                     take();
                   }));
}

void Channel::take() {
  const auto taken = on_message_(static_cast<std::uint8_t>(received_.front()),
                                 std::string_view(received_).substr(1));
  if (received_.size() > kPiece) std::string().swap(received_);
  if (!taken) return end(taken.error().what);
  go_on();
}

void Channel::go_on() {
  const auto now = std::chrono::steady_clock::now();
  if (next_second_.expiry() <= now) {
    next_second_.expires_at(now + std::chrono::seconds(1));
    left_in_second_ = limits_.in_second;
  }
  if (--left_in_second_ > 0) return receive();
  next_second_.async_wait(while_here([this](const error_code&) { go_on(); }));
}

void Channel::end(const error_code& error) {
  end(error == asio::error::eof || error == asio::error::connection_reset ? std::string()
                                                                          : error.message());
}

void Channel::end(const std::string& why) {
  close();
  on_end_(why);
}

void Channel::close() {
  error_code ignored;
  socket_.close(ignored);
}

void Channel::send(std::uint8_t kind, Write write) {
  waiting_.insert_or_assign(kind, std::move(write));
  if (sending_.empty()) send_next();
}

void Channel::send_next() {
  while (sending_.empty()) {
    if (waiting_.empty() || !socket_.is_open()) return;
    const auto next = waiting_.extract(waiting_.begin());
    if (const auto content = next.mapped()()) sending_ = framed(next.key(), *content);
  }
  asio::async_write(socket_, asio::buffer(sending_), while_here([this](const error_code& error) {
                      std::string().swap(sending_);
                      if (!error) send_next();  // else the end is read
                    }));
}

}  // namespace closewatch::crossing
