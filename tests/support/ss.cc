// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ss.h"

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "tests/support/engine_under_test.h"

namespace closewatch::testing {
namespace {

TcpState state_called(const std::string& name) {
  static const std::map<std::string, TcpState> kNames = {
      {"ESTAB", TcpState::kEstablished},   {"SYN-SENT", TcpState::kSynSent},
      {"SYN-RECV", TcpState::kSynRecv},    {"FIN-WAIT-1", TcpState::kFinWait1},
      {"FIN-WAIT-2", TcpState::kFinWait2}, {"TIME-WAIT", TcpState::kTimeWait},
      {"UNCONN", TcpState::kClose},        {"CLOSE-WAIT", TcpState::kCloseWait},
      {"LAST-ACK", TcpState::kLastAck},    {"LISTEN", TcpState::kListen},
      {"CLOSING", TcpState::kClosing},
  };
  return kNames.at(name);
}

SocketRow parse(const std::string& line) {
  std::istringstream fields(line);
  std::string state;
  std::string local;
  SocketRow row;
  fields >> state >> row.receive_queue >> row.send_queue >> local;
  row.state = state_called(state);
  row.local.port = static_cast<std::uint16_t>(std::stoul(local.substr(local.rfind(':') + 1)));
  return row;
}

}  // namespace

std::vector<SocketRow> ss_rows(const std::string& network_namespace) {
  const auto command =
      "ss" + (network_namespace.empty() ? "" : " -N " + network_namespace) + " -tanH";
  const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(command.c_str(), "r"), &::pclose);
  if (output == nullptr) throw std::runtime_error("cannot run ss");
  std::vector<SocketRow> rows;
  std::array<char, 1024> line{};
  while (std::fgets(line.data(), line.size(), output.get()) != nullptr) {
    rows.push_back(parse(line.data()));
  }
  return rows;
}

SocketSums ss_counts(const std::string& network_namespace) {
  SocketTally tally;
  tally.restart();
  for (auto row : ss_rows(network_namespace)) {
    if (row.state == TcpState::kListen && engine_is_text()) row.send_queue = kNoAcceptLimit;
    tally.row(row);
  }
  return tally.sums();
}

}  // namespace closewatch::testing
