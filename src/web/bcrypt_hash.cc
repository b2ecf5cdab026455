// SPDX-License-Identifier: Apache-2.0
#include "web/bcrypt_hash.h"

#include <crypt.h>

#include <memory>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "closewatch/base/whole_number.h"

namespace closewatch::web {

std::optional<BcryptHash> BcryptHash::parse(std::string_view text) {
  constexpr std::size_t kShortest = 59;  // without the minor version
  constexpr std::size_t kSalt = 22;
  constexpr int kLeastCost = 4;
  constexpr int kMostCost = 31;
  const bool is_one = text.size() >= kShortest && text[0] == '$' && text[1] <= '2';
  if (!is_one) return std::nullopt;
  text.remove_prefix(text[2] == '$' ? 3 : 4);
  const auto cost = whole_number<int>(text.substr(0, 2));
  if (!cost || *cost < kLeastCost || *cost > kMostCost) return std::nullopt;
  text.remove_prefix(3);
  return BcryptHash{*cost, std::string(text.substr(0, kSalt)), std::string(text.substr(kSalt))};
}

bool BcryptHash::is_of(const std::string& password) const {
  const auto setting = fmt::format("$2b${:02}${}", cost, salt);
  const auto work = std::make_unique<crypt_data>();
  const char* const made = ::crypt_r(password.c_str(), setting.c_str(), work.get());
  const std::string_view whole = made == nullptr ? std::string_view() : made;
  // What begins with a star is an error: crypt(5).
  const bool is_hash = whole.starts_with("$2b$") && whole.size() >= setting.size();
  const auto end = is_hash ? whole.substr(setting.size()) : std::string_view();
  const bool same = !end.empty() && end.size() == hash.size() &&
                    CRYPTO_memcmp(end.data(), hash.data(), hash.size()) == 0 &&
                    password.find('\0') == std::string::npos;  // where crypt would stop
  OPENSSL_cleanse(work.get(), sizeof(crypt_data));
  return same;
}

}  // namespace closewatch::web
