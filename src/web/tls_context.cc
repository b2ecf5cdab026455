// SPDX-License-Identifier: Apache-2.0
#include "web/tls_context.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "web/client_names.h"
#include "web/small_file.h"

namespace closewatch::web {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

// With forward secrecy and authenticated; of TLS 1.2, those of 1.3 all are.
constexpr const char* kUsualCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
// Those of Go. OpenSSL's own have ffdhe8192 among them, by which a client makes the server work for
// milliseconds.
constexpr const char* kUsualCurves = "X25519:P-256:P-384:P-521";
// What OpenSSL itself would take; Debian's own level refuses keys that Go takes. TLS 1.0 and 1.1
// sign by what only the lowest has.
constexpr int kSecurityLevel = 1;
constexpr int kSecurityLevelOfOldVersions = 0;

struct AuthName {
  std::string_view name;
  ClientAuth auth;
};
constexpr std::array<AuthName, 7> kAuthTypes = {{
    {"", ClientAuth::kNone},
    {"NoClientCert", ClientAuth::kNone},
    {"RequestClientCert", ClientAuth::kRequest},
    {"RequireAnyClientCert", ClientAuth::kRequireAny},
    {"RequireClientCert", ClientAuth::kRequireAny},  // its older name
    {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify},
}};

std::optional<ClientAuth> auth_named(std::string_view name) {
  const auto* const found = std::find_if(kAuthTypes.begin(), kAuthTypes.end(),
                                         [&](const AuthName& known) { return known.name == name; });
  return found == kAuthTypes.end() ? std::nullopt : std::optional(found->auth);
}

/// Makes a context by settings, and keeps what is to be said of it.
class TlsContextMaker {
 public:
  explicit TlsContextMaker(const TlsSettings& settings) : settings_(settings) {}

  Result<TlsContext> make() && {
    made_.context = std::make_shared<ssl::context>(ssl::context::tls_server);
    for (const auto step : {&TlsContextMaker::set_versions, &TlsContextMaker::set_certificate,
                            &TlsContextMaker::set_clients}) {
      if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return std::move(made_);
  }

 private:
  [[nodiscard]] SSL_CTX* native() const { return made_.context->native_handle(); }

  static tl::unexpected<Error> refuse(const std::string& what) {
    return fail(ErrorKind::kMalformed, "tls_server_config: " + what);
  }

  static std::string reason() {
    const auto error = ERR_peek_last_error();
    ERR_clear_error();
    const char* const text = ERR_reason_error_string(error);
    return text == nullptr ? "it is not PEM" : text;
  }

  /// What is given, or nullopt. `key` is of what it is, for errors.
  static Result<std::optional<std::string>> text_of(const Pem& pem, const std::string& key) {
    if (!pem.file.empty() && !pem.text.empty()) {
      return refuse(key + " and " + key + "_file are given; one of them is enough");
    }
    if (pem.file.empty()) {
      return pem.text.empty() ? std::nullopt : std::optional<std::string>(pem.text);
    }
    auto text = read_small_file(pem.file);
    if (!text) return refuse(key + "_file: " + text.error().what);
    return std::optional<std::string>(std::move(*text));
  }

  Result<void> set_versions() {
    const bool is_old = settings_.min_version < TLS1_2_VERSION;
    SSL_CTX_set_security_level(native(), is_old ? kSecurityLevelOfOldVersions : kSecurityLevel);
    int least = settings_.min_version;
    // No suite of TLS 1.2 is let in: then neither is TLS 1.2.
    const bool is_latest_alone = settings_.ciphers && settings_.ciphers->empty();
    if (is_latest_alone) least = TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(native(), least);
    SSL_CTX_set_max_proto_version(native(), settings_.max_version);
    std::string ciphers = is_old ? std::string(kUsualCiphers) + ":ECDHE+AES+SHA1" : kUsualCiphers;
    if (settings_.ciphers && !is_latest_alone) {
      ciphers.clear();
      for (const auto& one : *settings_.ciphers) ciphers += (ciphers.empty() ? "" : ":") + one;
    }
    if (SSL_CTX_set_cipher_list(native(), ciphers.c_str()) != 1) {
      return refuse("cipher_suites: " + reason());
    }
    std::string curves = settings_.curves.empty() ? kUsualCurves : "";
    for (const auto& one : settings_.curves) curves += (curves.empty() ? "" : ":") + one;
    if (SSL_CTX_set1_groups_list(native(), curves.c_str()) != 1) {
      return refuse("curve_preferences: " + reason());
    }
    SSL_CTX_set_options(native(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (settings_.prefers_own_ciphers) {
      SSL_CTX_set_options(native(), SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
    // Whoever resumes a session shows no certificate again, while another one may be asked for by
    // now; scrapers keep their connections anyway.
    SSL_CTX_set_options(native(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(native(), 0);
    SSL_CTX_set_session_cache_mode(native(), SSL_SESS_CACHE_OFF);
    return {};
  }

  Result<void> set_certificate() {
    // A key that is encrypted would be asked for at the terminal.
    SSL_CTX_set_default_passwd_cb(native(), [](char*, int, int, void*) { return -1; });
    const auto certificate = text_of(settings_.certificate, "cert");
    if (!certificate) return tl::unexpected(certificate.error());
    if (!*certificate) return refuse("one of cert and cert_file is missing");
    const auto key = text_of(settings_.key, "key");
    if (!key) return tl::unexpected(key.error());
    if (!*key) return refuse("one of key and key_file is missing");
    ERR_clear_error();
    error_code error;
    made_.context->use_certificate_chain(boost::asio::buffer(**certificate), error);
    if (error) return refuse(name_of(settings_.certificate, "cert") + ": " + reason_of(error));
    made_.context->use_private_key(boost::asio::buffer(**key), ssl::context::pem, error);
    if (error) return refuse(name_of(settings_.key, "key") + ": " + reason_of(error));
    if (SSL_CTX_check_private_key(native()) != 1) {
      return refuse("the key is not the certificate's");
    }
    return {};
  }

  static std::string name_of(const Pem& pem, const std::string& key) {
    return pem.file.empty() ? key : key + "_file: " + pem.file;
  }
  static std::string reason_of(const error_code& error) {
    return error ? error.message() : "it is not PEM";
  }

  Result<void> set_clients() {
    const auto auth = auth_named(settings_.client_auth_type);
    if (!auth) {
      return refuse("client_auth_type: '" + settings_.client_auth_type + "' is none");
    }
    const auto authorities = text_of(settings_.client_ca, "client_ca");
    if (!authorities) return tl::unexpected(authorities.error());
    if (*authorities && *auth == ClientAuth::kNone) {
      return refuse("client_ca is given, and client_auth_type asks for no certificate");
    }
    const bool verifies = *auth >= ClientAuth::kVerifyIfGiven;
    if (*authorities) {
      if (add_authorities(**authorities) == 0) {
        made_.remarks.emplace_back(
            "tls_server_config: client_ca has no certificate: nobody's is right");
      }
    } else if (verifies) {
      SSL_CTX_set_default_verify_paths(native());
      made_.remarks.emplace_back(
          "tls_server_config: there is no client_ca: any authority that this machine trusts is one");
    }
    if (*auth == ClientAuth::kNone) {
      if (settings_.client_allowed_sans) {
        made_.remarks.emplace_back(
            "tls_server_config: client_allowed_sans does nothing without client_auth_type");
      }
      return {};
    }
    ask_for_certificate(*auth, verifies);
    return {};
  }

  /// How many there were.
  int add_authorities(const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> source(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    int count = 0;
    for (;;) {
      const std::unique_ptr<X509, decltype(&X509_free)> one(
          PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr), X509_free);
      if (one == nullptr) break;
      X509_STORE_add_cert(SSL_CTX_get_cert_store(native()), one.get());
      SSL_CTX_add_client_CA(native(), one.get());
      ++count;
    }
    ERR_clear_error();
    // As in Go each of them is trusted, whoever has signed it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(native()), X509_V_FLAG_PARTIAL_CHAIN);
    return count;
  }

  void ask_for_certificate(ClientAuth auth, bool verifies) {
    const bool requires_one = auth == ClientAuth::kRequireAny ||
                              auth == ClientAuth::kRequireAndVerify ||
                              settings_.client_allowed_sans.has_value();
    made_.context->set_verify_mode(ssl::verify_peer |
                                   (requires_one ? ssl::verify_fail_if_no_peer_cert : 0));
    made_.context->set_verify_callback([verifies, allowed = settings_.client_allowed_sans](
                                           bool verified, ssl::verify_context& state) {
      auto* const native = state.native_handle();
      if (verifies && !verified) return false;
      // The client's own comes last.
      if (allowed && X509_STORE_CTX_get_error_depth(native) == 0) {
        const auto names = client_names(X509_STORE_CTX_get_current_cert(native));
        const bool is_allowed = std::any_of(names.begin(), names.end(), [&](const auto& name) {
          return std::find(allowed->begin(), allowed->end(), name) != allowed->end();
        });
        if (!is_allowed) {
          X509_STORE_CTX_set_error(native, X509_V_ERR_APPLICATION_VERIFICATION);
          return false;
        }
      }
      return true;
    });
  }

  const TlsSettings& settings_;
  TlsContext made_{};
};

}  // namespace

Result<TlsContext> make_tls_context(const TlsSettings& settings) {
  if (!settings.wanted()) return TlsContext{};
  return TlsContextMaker(settings).make();
}

}  // namespace closewatch::web
