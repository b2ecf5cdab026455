#include "closewatch/export/html.h"

#include <fmt/format.h>

namespace closewatch {
namespace {

/// Without "." and "~", which are unreserved too: a segment "." or ".." would be a step.
constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string html_text(std::string_view text) {
  std::string html;
  html.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string url_segment(std::string_view text) {
  const bool is_step = text == "." || text == "..";
  std::string segment;
  for (const char c : text) {
    const bool plain = kUnreserved.find(c) != std::string_view::npos || (c == '.' && !is_step);
    segment += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return segment;
}

}  // namespace closewatch
