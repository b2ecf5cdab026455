// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace closewatch::web {

/// A file or its text, of which one is given, or none.
struct Pem {
  std::string file{};
  std::string text{};

  [[nodiscard]] bool given() const { return !file.empty() || !text.empty(); }
};

/// In the order of what is asked of a client: crypto/tls of Go has these names.
enum class ClientAuth : std::uint8_t {
  kNone,
  kRequest,
  kRequireAny,
  kVerifyIfGiven,
  kRequireAndVerify,
};

struct TlsSettings {
  Pem certificate;
  Pem key;
  Pem client_ca;
  std::string client_auth_type;
  std::optional<std::vector<std::string>> client_allowed_sans;
  int min_version = 0x0303;  ///< TLS 1.2, as OpenSSL numbers them
  int max_version = 0x0304;  ///< TLS 1.3
  std::optional<std::vector<std::string>>
      ciphers;  ///< by OpenSSL's names, those of TLS 1.3 left out
  bool prefers_own_ciphers = true;
  std::vector<std::string> curves;  ///< by OpenSSL's names

  /// Whether TLS is wanted: whether any of what only TLS needs is said.
  [[nodiscard]] bool wanted() const {
    return certificate.given() || key.given() || client_ca.given() || !client_auth_type.empty();
  }
};

struct RateLimit {
  std::chrono::nanoseconds interval{};  ///< zero: there is none
  int burst = 0;
};

/// What a web configuration file says, without what is in the files that it names.
struct WebSettings {
  TlsSettings tls;
  std::vector<std::pair<std::string, std::string>> headers;
  std::map<std::string, std::string> users;  ///< by name, the hashes of their passwords
  RateLimit rate_limit;
};

/// Settings, or one line for each mistake; and in either case what is right but not as it may seem.
struct ParsedSettings {
  WebSettings settings;
  std::vector<std::string> mistakes;
  std::vector<std::string> remarks;
};

/// The file of the Prometheus exporter-toolkit (docs/web-configuration.md there). `file` is its
/// path, for the mistakes and for the files beside it that it names. Pure.
ParsedSettings parse_web_settings(std::string_view yaml, const std::string& file);

}  // namespace closewatch::web
