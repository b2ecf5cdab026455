// SPDX-License-Identifier: Apache-2.0
#include "web/basic_credentials.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "web/authorization.h"

namespace closewatch::web {
namespace {

/// nullopt when it is no base64 (RFC 4648, section 4).
std::optional<std::string> decode(std::string_view text) {
  constexpr std::size_t kGroup = 4;
  constexpr std::size_t kBytes = 3;
  if (text.empty() || text.size() % kGroup != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  // OpenSSL passes over blanks at either end, and takes padding anywhere.
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto words = text.substr(0, text.size() - padding);
  if (words.find_first_not_of(kAlphabet) != std::string_view::npos) return std::nullopt;
  std::string bytes(text.size() / kGroup * kBytes, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

}  // namespace

std::optional<BasicCredentials> BasicCredentials::parse(std::string_view header) {
  const auto words = credentials_by("basic", header);
  if (!words) return std::nullopt;
  auto both = decode(*words);
  if (!both) return std::nullopt;
  const auto colon = both->find(':');
  if (colon == std::string::npos) return std::nullopt;
  BasicCredentials credentials{both->substr(0, colon), both->substr(colon + 1)};
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.InnerPointer): nothing has freed it.
  OPENSSL_cleanse(both->data(), both->size());
  return credentials;
}

}  // namespace closewatch::web
