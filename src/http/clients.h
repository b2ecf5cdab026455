// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>

namespace closewatch::http {

/// Whose a connection is. All who come over a UNIX socket are one: the unspecified address, which
/// nobody else can have.
struct Client {
  explicit Client(const boost::asio::generic::stream_protocol::endpoint& peer);

  [[nodiscard]] bool is_local() const { return address.is_v4() && address.is_unspecified(); }

  boost::asio::ip::address address;
  boost::asio::ip::address network;  ///< network_of() it
};

/// How many connections somebody has, and how many of them are being given an answer.
struct Connections {
  std::size_t open = 0;
  std::size_t answered = 0;
};

/// Those of each client: of its address, and of all addresses of its network together.
class Clients {
 public:
  void opened(const Client& client) {
    ++addresses_[client.address].open;
    ++networks_[client.network].open;
  }
  void closed(const Client& client) {
    remove(addresses_, client.address);
    remove(networks_, client.network);
  }
  void begins_answer(const Client& client) {
    ++addresses_.at(client.address).answered;
    ++networks_.at(client.network).answered;
  }
  void ends_answer(const Client& client) {
    --addresses_.at(client.address).answered;
    --networks_.at(client.network).answered;
  }

  [[nodiscard]] Connections of_address(const Client& client) const {
    return find(addresses_, client.address);
  }
  [[nodiscard]] Connections of_network(const Client& client) const {
    return find(networks_, client.network);
  }

 private:
  using Known = std::map<boost::asio::ip::address, Connections>;
  static Connections find(const Known& known, const boost::asio::ip::address& whose) {
    const auto found = known.find(whose);
    return found == known.end() ? Connections{} : found->second;
  }
  static void remove(Known& known, const boost::asio::ip::address& whose) {
    const auto found = known.find(whose);
    if (--found->second.open == 0) known.erase(found);
  }

  Known addresses_;
  Known networks_;
};

}  // namespace closewatch::http
