// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// Values as bytes that go from one process of a machine to another: each in host byte order, texts
/// and lists with their length before. What a type consists of says its `fields(archive, value)`,
/// the same for both ways, so that they cannot differ.
namespace closewatch::crossing {

template <typename E>
struct EnumSize;  ///< of an enumeration that crosses: how many members it has, from 0 on

template <typename T>
concept Number = std::is_integral_v<T> || std::is_floating_point_v<T>;
template <typename T>
concept Enumeration = std::is_enum_v<T>;

/// Writes.
class Packer {
 public:
  static constexpr bool kReads = false;

  template <typename... Ts>
  void operator()(const Ts&... values) {
    (put(values), ...);
  }
  [[nodiscard]] std::string bytes() && { return std::move(bytes_); }

 private:
  template <Number T>
  void put(const T& number) {
    std::array<char, sizeof(T)> bytes{};
    std::memcpy(bytes.data(), &number, sizeof(T));
    bytes_.append(bytes.data(), bytes.size());
  }
  template <Enumeration T>
  void put(const T& value) {
    put(static_cast<std::uint8_t>(value));
  }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    bytes_ += text;
  }
  template <typename T>
  void put(const std::vector<T>& list) {
    put(static_cast<std::uint32_t>(list.size()));
    for (const auto& value : list) put(value);
  }
  template <typename T, std::size_t N>
  void put(const std::array<T, N>& values) {
    for (const auto& value : values) put(value);
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <typename Rep, typename Period>
  void put(const std::chrono::duration<Rep, Period>& duration) {
    put(duration.count());
  }
  template <typename Clock, typename Duration>
  void put(const std::chrono::time_point<Clock, Duration>& time) {
    put(time.time_since_epoch());
  }
  template <typename T>
  void put(const T& value) {
    fields(*this, value);
  }

  std::string bytes_;
};

/// Reads what a Packer has written, or has not: whatever the bytes are, it reads nothing beyond
/// their end, and takes no more memory than a small multiple of them. After the first that is wrong
/// it only says so, and the values have no meaning.
class Unpacker {
 public:
  static constexpr bool kReads = true;

  explicit Unpacker(std::string_view bytes) : left_(bytes) {}

  template <typename... Ts>
  void operator()(Ts&... values) {
    (get(values), ...);
  }
  /// Says that something is wrong unless `holds`.
  void require(bool holds) { is_right_ = is_right_ && holds; }
  /// Whether all was right, and nothing is left.
  [[nodiscard]] bool is_done() const { return is_right_ && left_.empty(); }
  [[nodiscard]] bool is_right() const { return is_right_; }

 private:
  template <Number T>
  void get(T& number) {
    if (left_.size() < sizeof(T)) return fail();
    if constexpr (std::is_same_v<T, bool>) {
      const auto byte = static_cast<std::uint8_t>(left_.front());
      require(byte <= 1);
      number = byte == 1;
    } else {
      std::memcpy(&number, left_.data(), sizeof(T));
    }
    left_.remove_prefix(sizeof(T));
  }
  template <Enumeration T>
  void get(T& value) {
    std::uint8_t number = 0;
    get(number);
    if (number >= EnumSize<T>::value) return fail();
    value = static_cast<T>(number);
  }
  void get(std::string& text) {
    const auto size = length();
    text = left_.substr(0, size);
    left_.remove_prefix(size);
  }
  template <typename T>
  void get(std::vector<T>& list) {
    list.clear();
    for (auto more = length(); more > 0 && is_right_; --more) get(list.emplace_back());
  }
  template <typename T, std::size_t N>
  void get(std::array<T, N>& values) {
    for (auto& value : values) get(value);
  }
  template <typename T>
  void get(std::optional<T>& value) {
    bool is_there = false;
    get(is_there);
    value.reset();
    if (is_there && is_right_) get(value.emplace());
  }
  template <typename Rep, typename Period>
  void get(std::chrono::duration<Rep, Period>& duration) {
    Rep count{};
    get(count);
    duration = std::chrono::duration<Rep, Period>(count);
    const std::chrono::duration<double> time = duration;
    require(time >= -kLongestTime && time <= kLongestTime);
  }
  template <typename Clock, typename Duration>
  void get(std::chrono::time_point<Clock, Duration>& time) {
    Duration since{};
    get(since);
    time = std::chrono::time_point<Clock, Duration>(since);
  }
  template <typename T>
  void get(T& value) {
    fields(*this, value);
  }

  /// So long that also the difference of two times fits into 64 bits of nanoseconds.
  static constexpr std::chrono::duration<double> kLongestTime = std::chrono::years(100);

  /// Of a text or a list: of one that is right no longer than what is left, as nothing takes less
  /// than a byte.
  std::size_t length() {
    std::uint32_t size = 0;
    get(size);
    if (size <= left_.size()) return size;
    fail();
    return 0;
  }
  void fail() {
    is_right_ = false;
    left_ = {};
  }

  std::string_view left_;
  bool is_right_ = true;
};

}  // namespace closewatch::crossing
