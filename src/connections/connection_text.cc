// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "closewatch/connections/connection_listing.h"
#include "closewatch/diagnosis/peer.h"
#include "closewatch/present/text_table.h"

namespace closewatch {
namespace {

namespace json = boost::json;

std::string text_of(const ConnectionPeer& peer) {
  return peer.direction == Direction::kInbound ? closewatch::text_of(peer.remote.address)
                                               : closewatch::text_of(peer.remote);
}

/// "established:3 time_wait:40"
std::string states_text(const StateCounts& states) {
  std::string text;
  for (const auto state : kTcpStates) {
    if (states.of(state) == 0) continue;
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", name_of(state), states.of(state));
  }
  return text;
}

/// "27000 of 28232 (95.6%)"; nothing of what came in.
std::string ports_text(const ListedPeer& listed) {
  constexpr double kPercent = 100;
  if (listed.connections.peer.direction == Direction::kInbound) return "-";
  return fmt::format("{} of {} ({:.1f}%)", listed.connections.ports_used, listed.ports,
                     kPercent * listed.share());
}

void add_columns(TextTable& table, TextTable::Align align,
                 std::initializer_list<const char*> heads) {
  for (const auto* const head : heads) table.add_column(head, align);
}

std::string peers_table(const ConnectionListing& listing, const Snapshot& snapshot) {
  TextTable table;
  add_columns(table, TextTable::Align::kLeft, {"NAMESPACE", "POD", "DIRECTION", "PEER"});
  add_columns(table, TextTable::Align::kRight, {"SOCKETS", "PORTS USED"});
  add_columns(table, TextTable::Align::kLeft, {"STATES"});
  for (const auto& listed : listing.peers()) {
    const auto& pod = snapshot.pods[listed.pod];
    const auto& [peer, states, used] = listed.connections;
    table.add_row({pod.pod_namespace, pod.name, std::string(name_of(peer.direction)), text_of(peer),
                   std::to_string(states.total()), ports_text(listed), states_text(states)});
  }
  return table.text();
}

std::string sockets_table(const ConnectionListing& listing, const Snapshot& snapshot) {
  TextTable table;
  add_columns(table, TextTable::Align::kLeft,
              {"NAMESPACE", "POD", "STATE", "LOCAL", "REMOTE", "DIRECTION"});
  add_columns(table, TextTable::Align::kRight, {"RECV-Q", "SEND-Q"});
  add_columns(table, TextTable::Align::kLeft, {"PROCESS"});
  for (const auto& [place, socket, process] : listing.sockets()) {
    const auto& pod = snapshot.pods[place];
    table.add_row({pod.pod_namespace, pod.name, std::string(name_of(socket.state)),
                   closewatch::text_of(socket.local), closewatch::text_of(socket.remote),
                   std::string(name_of(socket.direction)), std::to_string(socket.receive_queue),
                   std::to_string(socket.send_queue),
                   process ? fmt::format("{}/{}", process->pid, process->comm) : "-"});
  }
  return table.text();
}

json::object identity_json(const Pod& pod) {
  return {{"namespace", pod.pod_namespace}, {"pod", pod.name}};
}

json::object peer_json(const ListedPeer& listed, const Snapshot& snapshot) {
  const auto& [peer, states, used] = listed.connections;
  const bool outbound = peer.direction == Direction::kOutbound;
  json::object by_state;
  for (const auto state : kTcpStates) {
    if (states.of(state) > 0) by_state[name_of(state)] = states.of(state);
  }
  auto object = identity_json(snapshot.pods[listed.pod]);
  object["direction"] = name_of(peer.direction);
  object["peer"] = text_of(peer);
  object["sockets"] = states.total();
  object["states"] = std::move(by_state);
  object["ports_used"] = outbound ? json::value(used) : json::value(nullptr);
  object["ports"] = outbound ? json::value(listed.ports) : json::value(nullptr);
  return object;
}

json::object socket_json(const ListedConnection& listed, const Snapshot& snapshot) {
  const auto& [place, socket, process] = listed;
  auto object = identity_json(snapshot.pods[place]);
  object["state"] = name_of(socket.state);
  object["local"] = closewatch::text_of(socket.local);
  object["remote"] = closewatch::text_of(socket.remote);
  object["direction"] = name_of(socket.direction);
  object["receive_queue"] = socket.receive_queue;
  object["send_queue"] = socket.send_queue;
  object["inode"] = socket.inode;
  object["process"] = nullptr;
  if (process) object["process"] = {{"pid", process->pid}, {"comm", process->comm}};
  return object;
}

}  // namespace

std::string connections_table(const ConnectionListing& listing, const Snapshot& snapshot) {
  return listing.query().by_peer ? peers_table(listing, snapshot)
                                 : sockets_table(listing, snapshot);
}

std::string connections_json(const ConnectionListing& listing, const Snapshot& snapshot) {
  json::array states;
  for (const auto state : kTcpStates) {
    if ((listing.query().states & bit_of(state)) != 0)
      states.push_back(json::value(name_of(state)));
  }
  json::array rows;
  for (const auto& peer : listing.peers()) rows.push_back(peer_json(peer, snapshot));
  for (const auto& socket : listing.sockets()) rows.push_back(socket_json(socket, snapshot));
  json::array unlisted;
  for (const auto& [place, reason, detail] : listing.unlisted()) {
    auto object = identity_json(snapshot.pods[place]);
    object["reason"] = reason_of(reason);
    object["detail"] = detail;
    unlisted.push_back(std::move(object));
  }
  json::object whole{{"states", std::move(states)},
                     {"total", listing.total()},
                     {"cut", listing.cut()},
                     {"not_listed", std::move(unlisted)}};
  whole[listing.query().by_peer ? "peers" : "sockets"] = std::move(rows);
  return json::serialize(whole) + "\n";
}

}  // namespace closewatch
