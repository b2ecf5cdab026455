// SPDX-License-Identifier: Apache-2.0
#include "web/fingerprints.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace closewatch::web {

Fingerprints::Fingerprints() {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) {
    throw std::runtime_error("there are no random numbers");
  }
}

Fingerprint Fingerprints::of(std::initializer_list<std::string_view> words) const {
  // With their lengths, or two lists of words could be one text.
  std::string text;
  for (const auto word : words) {
    text += std::to_string(word.size()) + ":";
    text += word;
  }
  Fingerprint fingerprint{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), fingerprint.data(), &size);
  OPENSSL_cleanse(text.data(), text.size());
  return fingerprint;
}

bool Fingerprints::has(const Fingerprint& fingerprint) const {
  return std::find(known_.begin(), known_.end(), fingerprint) != known_.end();
}

void Fingerprints::add(const Fingerprint& fingerprint) {
  if (has(fingerprint)) return;
  if (known_.size() == kMost) known_.pop_front();
  known_.push_back(fingerprint);
}

}  // namespace closewatch::web
