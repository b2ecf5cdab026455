// SPDX-License-Identifier: Apache-2.0
#include "web/client_names.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <boost/asio/ip/address.hpp>
#include <openssl/x509v3.h>

namespace closewatch::web {
namespace {

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
  const auto length = static_cast<std::size_t>(ASN1_STRING_length(bytes));
  if (boost::asio::ip::address_v4::bytes_type ipv4{}; length == ipv4.size()) {
    std::memcpy(ipv4.data(), ASN1_STRING_get0_data(bytes), ipv4.size());
    return boost::asio::ip::address_v4(ipv4).to_string();
  }
  if (boost::asio::ip::address_v6::bytes_type ipv6{}; length == ipv6.size()) {
    std::memcpy(ipv6.data(), ASN1_STRING_get0_data(bytes), ipv6.size());
    return boost::asio::ip::address_v6(ipv6).to_string();
  }
  return {};
}

}  // namespace

std::vector<std::string> client_names(const X509* certificate) {
  constexpr int kMost = 100;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::vector<std::string> found;
  const int count = names == nullptr ? 0 : std::min(sk_GENERAL_NAME_num(names.get()), kMost);
  for (int i = 0; i < count; ++i) {
    const auto* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
      found.push_back(text_of(name->d.ia5));
    } else if (name->type == GEN_IPADD) {
      found.push_back(address_of(name->d.iPAddress));
    }
  }
  return found;
}

}  // namespace closewatch::web
