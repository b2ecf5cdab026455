// SPDX-License-Identifier: Apache-2.0
#include "web/web_settings.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>
#include <span>

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <yaml-cpp/yaml.h>

#include "closewatch/base/printable.h"
#include "closewatch/base/whole_number.h"
#include "web/bcrypt_hash.h"
#include "web/go_duration.h"

namespace closewatch::web {
namespace {

using Names = std::span<const std::pair<std::string_view, std::string_view>>;

// Those that Go's tls.CipherSuites() had when TLS_RSA_… were among them, by OpenSSL's names. Those
// of TLS 1.3 can be neither chosen nor left out there; they have no name here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kCiphers = {{
    {"TLS_AES_128_GCM_SHA256", ""},
    {"TLS_AES_256_GCM_SHA384", ""},
    {"TLS_CHACHA20_POLY1305_SHA256", ""},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kCurves = {
    {{"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}, {"X25519", "X25519"}}};
constexpr std::array<std::pair<std::string_view, int>, 4> kVersions = {{{"TLS10", TLS1_VERSION},
                                                                        {"TLS11", TLS1_1_VERSION},
                                                                        {"TLS12", TLS1_2_VERSION},
                                                                        {"TLS13", TLS1_3_VERSION}}};
// And what each must be; of the others all is taken.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kHeaders = {
    {{"Strict-Transport-Security", ""},
     {"X-Content-Type-Options", "nosniff"},
     {"X-Frame-Options", "deny sameorigin"},
     {"X-XSS-Protection", ""},
     {"Content-Security-Policy", ""}}};
constexpr std::array<std::string_view, 22> kBooleans = {
    "y", "Y", "yes", "Yes", "YES", "true",  "True",  "TRUE",  "on",  "On",  "ON",
    "n", "N", "no",  "No",  "NO",  "false", "False", "FALSE", "off", "Off", "OFF"};

template <typename Table>
auto find_named(const Table& table, std::string_view name) {
  return std::find_if(table.begin(), table.end(),
                      [&](const auto& entry) { return entry.first == name; });
}

template <typename Table>
std::string names_of(const Table& table) {
  std::string names;
  for (const auto& entry : table) {
    names += (names.empty() ? "" : ", ") + std::string(entry.first);
  }
  return names;
}

bool is_quoted(const YAML::Node& node) { return node.Tag() == "!"; }

/// Reads one file and keeps what is wrong with it.
class WebSettingsReader {
 public:
  explicit WebSettingsReader(const std::string& file) : file_(file) {}

  ParsedSettings read(std::string_view yaml) && {
    try {
      const auto root = YAML::Load(std::string(yaml));
      map(root, "",
          {{"tls_server_config", [this](auto& node, auto& key) { tls(node, key); }},
           {"http_server_config", [this](auto& node, auto& key) { http(node, key); }},
           {"basic_auth_users", [this](auto& node, auto& key) { users(node, key); }},
           {"rate_limit", [this](auto& node, auto& key) { rate_limit(node, key); }}});
    } catch (const YAML::Exception& error) {
      mistake(error.mark, "", "no valid YAML: " + error.msg);
    }
    if (parsed_.mistakes.empty()) look_over();
    return std::move(parsed_);
  }

 private:
  using Setter = std::function<void(const YAML::Node& node, const std::string& key)>;
  struct Key {
    std::string_view name;
    Setter set;
  };

  void mistake(const YAML::Mark& mark, const std::string& key, const std::string& what) {
    parsed_.mistakes.push_back(line(mark, key, what));
  }
  void remark(const std::string& key, const std::string& what) {
    parsed_.remarks.push_back(line(YAML::Mark::null_mark(), key, what));
  }
  [[nodiscard]] std::string line(const YAML::Mark& mark, const std::string& key,
                                 const std::string& what) const {
    const auto at = mark.is_null() ? "" : ":" + std::to_string(mark.line + 1);
    return printable(fmt::format("{}{}: {}{}{}", file_, at, key, key.empty() ? "" : ": ", what));
  }

  /// Calls `set` for each key once, which is told as PREFIX.KEY. Nothing is as good as an empty
  /// map.
  template <typename Set>
  void each(const YAML::Node& node, const std::string& prefix, const Set& set) {
    if (node.IsNull()) return;
    if (!node.IsMap()) return mistake(node.Mark(), prefix, "must hold keys and values");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        mistake(entry.first.Mark(), prefix, "a key must be a word");
        continue;
      }
      const auto& name = entry.first.Scalar();
      const auto key = prefix.empty() ? name : fmt::format("{}.{}", prefix, name);
      if (!seen.insert(name).second) {
        mistake(entry.first.Mark(), key, "is given twice");
        continue;
      }
      set(entry.first, entry.second, key);
    }
  }

  void map(const YAML::Node& node, const std::string& prefix, const std::vector<Key>& keys) {
    each(node, prefix, [&](const YAML::Node& name, const YAML::Node& value, const auto& key) {
      const auto found = std::find_if(
          keys.begin(), keys.end(), [&](const Key& known) { return known.name == name.Scalar(); });
      if (found != keys.end()) return found->set(value, key);
      std::string known;
      for (const auto& one : keys) known += (known.empty() ? "" : ", ") + std::string(one.name);
      mistake(name.Mark(), key, "unknown key; known here: " + known);
    });
  }

  /// nullopt where it is nothing, which leaves the default, or is wrong.
  std::optional<std::string> text(const YAML::Node& node, const std::string& key) {
    if (node.IsNull()) return std::nullopt;
    if (node.IsScalar()) return node.Scalar();
    mistake(node.Mark(), key, "must be a text");
    return std::nullopt;
  }

  Setter text_into(std::string& target) {
    return [this, &target](const YAML::Node& node, const std::string& key) {
      if (auto value = text(node, key)) target = std::move(*value);
    };
  }

  /// Relative to the file's own directory.
  Setter path_into(std::string& target) {
    return [this, &target](const YAML::Node& node, const std::string& key) {
      const auto value = text(node, key);
      if (!value || value->empty()) return;
      target = (std::filesystem::path(file_).parent_path() / *value).string();
    };
  }

  Setter bool_into(bool& target) {
    return [this, &target](const YAML::Node& node, const std::string& key) {
      if (node.IsNull()) return;
      const auto* const found = node.IsScalar() && !is_quoted(node)
                                    ? std::find(kBooleans.begin(), kBooleans.end(), node.Scalar())
                                    : kBooleans.end();
      if (found == kBooleans.end()) return mistake(node.Mark(), key, "must be true or false");
      target = found - kBooleans.begin() < static_cast<std::ptrdiff_t>(kBooleans.size() / 2);
    };
  }

  Setter version_into(int& target) {
    return [this, &target](const YAML::Node& node, const std::string& key) {
      const auto value = text(node, key);
      if (!value) return;
      const auto* const found = find_named(kVersions, *value);
      if (found == kVersions.end()) {
        return mistake(node.Mark(), key,
                       "'" + *value + "' is no version of TLS; known are " + names_of(kVersions));
      }
      target = found->second;
    };
  }

  /// Calls `take` for each text of a list, if it is one.
  template <typename Take>
  bool list(const YAML::Node& node, const std::string& key, const Take& take) {
    if (node.IsNull()) return false;
    if (!node.IsSequence()) {
      mistake(node.Mark(), key, "must be a list");
      return false;
    }
    for (const auto& item : node) {
      if (item.IsScalar()) {
        take(item);
      } else {
        mistake(item.Mark(), key, "must be a list of texts");
      }
    }
    return true;
  }

  template <typename Table>
  void named(const YAML::Node& node, const std::string& key, const Table& table,
             std::string_view what, std::vector<std::string>& found_names) {
    list(node, key, [&](const YAML::Node& item) {
      const auto* const found = find_named(table, item.Scalar());
      if (found == table.end()) {
        return mistake(item.Mark(), key,
                       "'" + item.Scalar() + "' is no " + std::string(what) + "; known are " +
                           names_of(table));
      }
      if (!found->second.empty()) found_names.emplace_back(found->second);
    });
  }

  void tls(const YAML::Node& node, const std::string& prefix) {
    auto& settings = parsed_.settings.tls;
    map(node, prefix,
        {{"cert", text_into(settings.certificate.text)},
         {"key", text_into(settings.key.text)},
         {"client_ca", text_into(settings.client_ca.text)},
         {"cert_file", path_into(settings.certificate.file)},
         {"key_file", path_into(settings.key.file)},
         {"client_ca_file", path_into(settings.client_ca.file)},
         {"client_auth_type", text_into(settings.client_auth_type)},
         {"client_allowed_sans",
          [this, &settings](const YAML::Node& list_node, const std::string& key) {
            std::vector<std::string> names;
            if (list(list_node, key, [&](const auto& item) { names.push_back(item.Scalar()); })) {
              settings.client_allowed_sans = std::move(names);
            }
          }},
         {"min_version", version_into(settings.min_version)},
         {"max_version", version_into(settings.max_version)},
         {"cipher_suites",
          [this, &settings](const YAML::Node& list_node, const std::string& key) {
            std::vector<std::string> ciphers;
            named(list_node, key, kCiphers, "cipher suite", ciphers);
            if (list_node.IsSequence() && list_node.size() > 0) settings.ciphers = ciphers;
          }},
         {"prefer_server_cipher_suites", bool_into(settings.prefers_own_ciphers)},
         {"curve_preferences",
          [this, &settings](const YAML::Node& list_node, const std::string& key) {
            named(list_node, key, kCurves, "curve", settings.curves);
          }}});
  }

  void http(const YAML::Node& node, const std::string& prefix) {
    map(node, prefix,
        {{"http2",
          [this](const YAML::Node& value, const std::string& key) {
            bool wanted = false;
            bool_into(wanted)(value, key);
            if (wanted) remark(key, "there is no HTTP/2 here; clients get HTTP/1.1");
          }},
         {"headers", [this](const YAML::Node& value, const std::string& key) {
            each(value, key, [this](const auto& name, const auto& said, const auto& path) {
              header(name, said, path);
            });
          }}});
  }

  void header(const YAML::Node& name, const YAML::Node& node, const std::string& key) {
    const auto* const known = find_named(kHeaders, name.Scalar());
    if (known == kHeaders.end()) {
      return mistake(name.Mark(), key,
                     "this header cannot be set; known are " + names_of(kHeaders));
    }
    if (!node.IsNull() && !node.IsScalar()) return mistake(node.Mark(), key, "must be a text");
    auto value = node.IsNull() ? std::string() : node.Scalar();
    const auto choices = " " + std::string(known->second) + " ";
    const bool is_choice = !value.empty() && value.find(' ') == std::string::npos &&
                           choices.find(" " + value + " ") != std::string::npos;
    if (!known->second.empty() && !is_choice) {
      return mistake(node.Mark(), key, "must be one of: " + std::string(known->second));
    }
    // A line of its own would be another header, or the body.
    std::replace_if(
        value.begin(), value.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    if (!value.empty()) parsed_.settings.headers.emplace_back(name.Scalar(), std::move(value));
  }

  void users(const YAML::Node& node, const std::string& prefix) {
    each(node, prefix, [this](const auto& name, const auto& value, const auto& key) {
      if (!value.IsScalar() || !BcryptHash::parse(value.Scalar())) {
        return mistake(value.Mark(), key,
                       "must be a password's hash by bcrypt, as `htpasswd -nBC 10 \"\"` makes it");
      }
      parsed_.settings.users.emplace(name.Scalar(), value.Scalar());
    });
  }

  void rate_limit(const YAML::Node& node, const std::string& prefix) {
    auto& limit = parsed_.settings.rate_limit;
    map(node, prefix,
        {{"interval",
          [this, &limit](const YAML::Node& value, const std::string& key) {
            if (value.IsNull()) return;
            const auto nanoseconds = value.IsScalar() && !is_quoted(value)
                                         ? whole_number<std::int64_t>(value.Scalar())
                                         : std::nullopt;
            const auto interval = nanoseconds        ? std::chrono::nanoseconds(*nanoseconds)
                                  : value.IsScalar() ? parse_go_duration(value.Scalar())
                                                     : std::nullopt;
            if (!interval || interval->count() < 0) {
              return mistake(value.Mark(), key, "must be a duration such as 100ms, or 0");
            }
            limit.interval = *interval;
          }},
         {"burst", [this, &limit](const YAML::Node& value, const std::string& key) {
            if (value.IsNull()) return;
            const auto burst = value.IsScalar() && !is_quoted(value)
                                   ? whole_number<int>(value.Scalar())
                                   : std::nullopt;
            if (!burst) return mistake(value.Mark(), key, "must be a whole number");
            limit.burst = *burst;
          }}});
    if (limit.interval.count() > 0 && limit.burst < 1 && parsed_.mistakes.empty()) {
      mistake(node.Mark(), prefix + ".burst", "must be 1 at least, or no request is ever let in");
    }
  }

  /// What is right for each key and strange for all.
  void look_over() {
    const auto& tls = parsed_.settings.tls;
    if (tls.min_version > tls.max_version) {
      remark("tls_server_config.min_version", "is above max_version: nobody can connect");
    }
    if (tls.wanted() && tls.min_version < TLS1_2_VERSION) {
      remark("tls_server_config.min_version", "lets in versions of TLS that are broken");
    }
    if (!tls.wanted() && tls.client_allowed_sans) {
      remark("tls_server_config", "has no certificate: there is no TLS");
    }
    if (!parsed_.settings.users.empty() && !tls.wanted()) {
      remark("basic_auth_users", "without TLS passwords go over the network as they are");
    }
  }

  const std::string& file_;
  ParsedSettings parsed_;
};

}  // namespace

ParsedSettings parse_web_settings(std::string_view yaml, const std::string& file) {
  return WebSettingsReader(file).read(yaml);
}

}  // namespace closewatch::web
