// SPDX-License-Identifier: Apache-2.0
#include "web/password_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <openssl/crypto.h>

#include "closewatch/http/client_network.h"

namespace closewatch::web {
namespace {

/// For who is no user: no password has this hash, and it takes as long as the dearest that has one.
BcryptHash hash_of_nobody(const Users& users) {
  constexpr int kLeastCost = 4;
  BcryptHash nobody{kLeastCost, std::string(22, '.'), std::string(31, ' ')};
  for (const auto& [name, text] : users) {
    if (const auto hash = BcryptHash::parse(text)) nobody.cost = std::max(nobody.cost, hash->cost);
  }
  return nobody;
}

}  // namespace

void PasswordCheck::check(const Users& users, const std::string& user, std::string password,
                          const std::string& client, Done done) {
  const auto found = users.find(user);
  const bool is_user = found != users.end();
  const auto fingerprint = right_.of({user, is_user ? found->second : "", password});
  const bool is_known = is_user && right_.has(fingerprint);
  const bool may_try = is_known || failures_.allows(client, std::chrono::steady_clock::now());
  if (is_known || !may_try) {
    OPENSSL_cleanse(password.data(), password.size());
    return done(is_known ? Verdict::kRight : Verdict::kTooOften);
  }
  if (const auto same = waiting_.find(fingerprint); same != waiting_.end()) {
    OPENSSL_cleanse(password.data(), password.size());
    same->second.push_back({client, std::move(done)});
    return;
  }
  auto hash = is_user ? BcryptHash::parse(found->second) : std::nullopt;
  const bool has_room = hashing_.add(
      {hash ? std::move(*hash) : hash_of_nobody(users), std::move(password),
       http::network_of(client), [this, fingerprint](bool fits) {
         boost::asio::post(context_, [this, fingerprint, fits] { on_hashed(fingerprint, fits); });
       }});
  if (!has_room) return done(Verdict::kBusy);
  waiting_[fingerprint].push_back({client, std::move(done)});
}

void PasswordCheck::on_hashed(const Fingerprint& fingerprint, bool fits) {
  auto waiting = waiting_.extract(fingerprint);
  if (waiting.empty()) return;
  if (fits) right_.add(fingerprint);
  for (auto& [client, done] : waiting.mapped()) {
    if (!fits) failures_.add(client, std::chrono::steady_clock::now());
    done(fits ? Verdict::kRight : Verdict::kWrong);
  }
}

}  // namespace closewatch::web
