// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <boost/asio/ip/address.hpp>

namespace closewatch::http {

/// Whom a limit for one client is for. Whoever has one address of an IPv6 network (/64) may have as
/// many of it as it likes (RFC 4291, section 2.5.1): that network; else the address itself. Pure.
boost::asio::ip::address network_of(const boost::asio::ip::address& client);
/// The same as text, "2001:db8::/64"; what is no address is as it was.
std::string network_of(const std::string& client);

}  // namespace closewatch::http
