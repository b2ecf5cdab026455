// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <openssl/x509.h>

namespace closewatch::web {

/// What a certificate's subject alternative names are: of the kinds DNS, e-mail, IP and URI. 100 at
/// most.
std::vector<std::string> client_names(const X509* certificate);

}  // namespace closewatch::web
