#include "web/right_passwords.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace closewatch::web {

RightPasswords::RightPasswords() {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) {
    throw std::runtime_error("there are no random numbers");
  }
}

Fingerprint RightPasswords::of(std::string_view user, std::string_view hash,
                               std::string_view password) const {
  // With their lengths, or two sets of words could be one text.
  std::string words;
  for (const auto word : {user, hash, password}) {
    words += std::to_string(word.size()) + ":";
    words += word;
  }
  Fingerprint fingerprint{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(words.data()), words.size(), fingerprint.data(),
       &size);
  OPENSSL_cleanse(words.data(), words.size());
  return fingerprint;
}

bool RightPasswords::has(const Fingerprint& fingerprint) const {
  return std::find(right_.begin(), right_.end(), fingerprint) != right_.end();
}

void RightPasswords::add(const Fingerprint& fingerprint) {
  if (has(fingerprint)) return;
  if (right_.size() == kMost) right_.pop_front();
  right_.push_back(fingerprint);
}

}  // namespace closewatch::web
