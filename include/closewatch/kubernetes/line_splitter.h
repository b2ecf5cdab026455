#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"

namespace closewatch {

/// Cuts a stream into lines, as a watch sends one object a line. O(bytes) in all. Not thread-safe.
class LineSplitter {
 public:
  /// A line longer than `limit` bytes is an error, so that a stream without end cannot fill the
  /// memory.
  explicit LineSplitter(std::size_t limit) : limit_(limit) {}

  /// Calls `on_line` with each line that `piece` completes, without its end, until one fails.
  template <typename OnLine>
  Result<void> feed(std::string_view piece, const OnLine& on_line) {
    for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
      if (auto fits = keep(piece.substr(0, end)); !fits) return fits;
      piece.remove_prefix(end + 1);
      const auto line = std::move(begun_);
      begun_.clear();
      if (line.empty()) continue;
      if (auto taken = on_line(std::string_view(line)); !taken) return taken;
    }
    return keep(piece);
  }

  /// Forgets a line that has begun.
  void clear() { begun_.clear(); }

 private:
  Result<void> keep(std::string_view part) {
    if (begun_.size() + part.size() > limit_) {
      return fail(ErrorKind::kMalformed,
                  "a line of more than " + std::to_string(limit_) + " bytes");
    }
    begun_ += part;
    return {};
  }

  std::size_t limit_;
  std::string begun_;
};

}  // namespace closewatch
