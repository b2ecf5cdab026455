// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/host_names.h"

#include <algorithm>
#include <array>
#include <optional>

#include <boost/url/authority_view.hpp>
#include <boost/url/parse.hpp>

#include "closewatch/base/comma_separated.h"
#include "http/beast_text.h"

namespace closewatch::http {
namespace {

constexpr std::size_t kLongestName = 253;  // RFC 1035, section 2.3.4, as text

std::string lower(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return small;
}

/// Letters, digits, "-", "_" and single dots between them.
bool is_name(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kLongestName && text.front() != '.' &&
         text.back() != '.' && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), is_plain);
}

bool is_pattern(std::string_view text) {
  return is_name(text.starts_with("*.") ? text.substr(2) : text);
}

}  // namespace

Result<HostNames> HostNames::parse(std::string_view list) {
  HostNames names;
  for (const auto word : comma_separated(list)) {
    if (!is_pattern(word)) {
      return fail(ErrorKind::kMalformed, "'" + std::string(word) +
                                             "' is no name of a host: write NAME or *.SUFFIX, "
                                             "without a port");
    }
    names.add(word);
  }
  return names;
}

void HostNames::add(std::string_view name) {
  if (!is_pattern(name)) return;
  if (name.starts_with("*.")) {
    suffixes_.push_back(lower(name.substr(1)));
  } else {
    names_.push_back(lower(name));
  }
}

bool HostNames::allow(std::string_view host) const {
  static constexpr std::array<std::string_view, 3> kOwnSuffixes = {".localhost", ".svc",
                                                                   ".svc.cluster.local"};
  const auto authority = boost::urls::parse_authority({host.data(), host.size()});
  if (!authority || authority->has_userinfo()) return false;
  if (authority->host_type() == boost::urls::host_type::ipv4 ||
      authority->host_type() == boost::urls::host_type::ipv6) {
    return true;
  }
  auto name = lower(view(authority->encoded_host()));
  if (name.ends_with('.')) name.pop_back();
  if (!is_name(name)) return false;
  const auto is_below = [&](std::string_view suffix) { return name.ends_with(suffix); };
  return name.find('.') == std::string::npos ||
         std::any_of(kOwnSuffixes.begin(), kOwnSuffixes.end(), is_below) ||
         std::find(names_.begin(), names_.end(), name) != names_.end() ||
         std::any_of(suffixes_.begin(), suffixes_.end(), is_below);
}

}  // namespace closewatch::http
