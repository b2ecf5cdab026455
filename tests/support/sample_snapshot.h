// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "closewatch/scan/namesakes.h"
#include "closewatch/scan/snapshot.h"
#include "closewatch/scan/socket_listing.h"

namespace closewatch::testing {

/// 1,201 sockets of a pod whose container "app" forgets to close what it has called.
inline Diagnosis sample_diagnosis() {
  using namespace std::chrono_literals;
  Diagnosis diagnosis;
  diagnosis.containers = {{"app", {{{1, 100, 0}, {0, 0, 1'100}}}, 1'000}, {"sidecar", {}, 0}};
  diagnosis.oldest = 2h + 3min;
  diagnosis.unread_bytes = 4096;
  diagnosis.entered = 1'300;
  diagnosis.left = 99;
  diagnosis.peers = {{Direction::kOutbound, "10.0.0.9:443", 1'000, 950},
                     {Direction::kInbound, "[fd00::7]", 60, 0},
                     {Direction::kInbound, kOtherPeers, 41, 0},
                     {Direction::kOutbound, kOtherPeers, 100, 50}};
  CloseWaitSocket oldest;
  oldest.age = diagnosis.oldest;
  oldest.local = {{AddressFamily::kIpv4, {10, 1, 2, 3}}, 40'000};
  oldest.remote = {{AddressFamily::kIpv4, {10, 0, 0, 9}}, 443};
  oldest.inode = 4711;
  oldest.container = 0;
  auto unaccepted = oldest;
  unaccepted.age = 5s;
  unaccepted.inode = 0;
  unaccepted.receive_queue = 101;
  unaccepted.container = kNoContainer;
  unaccepted.direction = Direction::kInbound;
  unaccepted.owes = OwedCall::kAccept;
  diagnosis.sockets = {oldest, unaccepted};
  return diagnosis;
}

/// A made-up snapshot with a pod of each kind that the formats have to tell apart.
inline Snapshot sample_snapshot() {
  using namespace std::chrono_literals;
  Snapshot snapshot;
  snapshot.taken_at = std::chrono::system_clock::time_point(1'700'000'010s);
  snapshot.taken_at_steady = std::chrono::steady_clock::time_point(1h);
  snapshot.duration = 31ms;
  snapshot.cpu = 28ms;
  snapshot.cpu_total = 56ms;
  snapshot.interval = 10s;
  snapshot.errors = {0, 1, 2, 0, 0};
  snapshot.features = {true, true, false, false, false, true};
  snapshot.engines = {
      {Engine::kInetDiag, ""}, {Engine::kBpf, "unsupported"}, {Engine::kProcfs, "not_tried"}};
  snapshot.checks = EngineChecks{12, 1, 2};
  snapshot.node.emplace();
  snapshot.node->add(TcpState::kListen, 4);
  snapshot.node->add(TcpState::kEstablished, 9);

  const auto pod = [&](const char* space, const char* name, const char* uid) -> PodSnapshot& {
    auto& added = snapshot.pods.emplace_back();
    added.pod_namespace = space;
    added.name = name;
    added.uid = uid;
    added.visibility = Visibility::kVisible;
    return added;
  };

  auto& proxy = pod("kube-system", "proxy", "uid-proxy");
  proxy.host_network = true;
  proxy.visibility = Visibility::kHostNetwork;
  proxy.detail = "it shares the host's network namespace";

  auto& cart = pod("shop", "cart-0", "uid-cart");
  cart.workload_kind = "StatefulSet";
  cart.workload = "cart";
  cart.sums.states.add(TcpState::kCloseWait, 1201);
  cart.sums.states.add(TcpState::kEstablished, 17);
  cart.sums.states.add(TcpState::kListen, 2);
  cart.sums.listeners = {{8080, 3, 128}, {9090, 0, 128}};
  cart.containers = {{"id-app", "app", {}}, {"id-sidecar", "sidecar", {}}};
  cart.diagnosis = sample_diagnosis();
  auto held = std::make_shared<HeldDiagnosis>();
  held->containers = {{"app", 30}, {"sidecar", 0}};
  held->oldest = 45min;
  held->entered = 31;
  held->left_closed = 68;
  held->left_held = 31;
  held->peers = {{Direction::kOutbound, "10.0.0.9:443", 30, 30}};
  cart.held = std::move(held);
  cart.held_ago = 20s;
  cart.descriptors = {{"app", 1'260, 4'096, 77, "java", 2h + 15min},
                      {"sidecar", 12, std::nullopt, 78, "envoy", std::nullopt}};
  cart.tcp_events.emplace();
  cart.tcp_events->set(TcpEvent::kListenOverflows, 42);
  cart.tcp_events->set(TcpEvent::kEstablishedResets, 0);

  auto& ending = pod("shop", "web-0", "uid-old");
  ending.visibility = Visibility::kNoProcess;
  ending.detail = "no living process in the pod's cgroups";

  auto& web = pod("shop", "web-0", "uid-new");
  web.sums.states.add(TcpState::kEstablished, 5);

  auto& nameless = pod("unknown", "uid-nameless", "uid-nameless");
  nameless.named = false;
  nameless.visibility = Visibility::kDenied;
  nameless.detail = "CAP_SYS_ADMIN is missing";
  return snapshot;
}

/// The same, but two containers of other pods have made 12 of shop/cart-0's sockets, one of them
/// the youngest.
inline Snapshot ambient_snapshot() {
  auto snapshot = sample_snapshot();
  auto& diagnosis = snapshot.pods.at(1).diagnosis;
  diagnosis.containers = {{"app", {{{1, 100, 0}, {0, 0, 1'088}}}, 993},
                          {kOtherPod, {{{0, 0, 0}, {0, 0, 12}}}, 7},
                          {"sidecar", {}, 0}};
  diagnosis.owners = {{{"istio-system", "ztunnel-x7k2p", "istio-proxy"}, 10, 7},
                      {{"debug", "shell", "sh"}, 2, 0}};
  diagnosis.sockets.back().container = kForeignContainer;
  diagnosis.sockets.back().owner = 1;
  return snapshot;
}

/// The sockets of shop/cart-0, of which a process has one.
inline SocketListing sample_listing(const Snapshot& snapshot, const std::string& process) {
  return list_sockets(find_namesakes(snapshot, "shop", "cart-0"), [&](const Pod&, const auto&) {
    SocketOwnerList owners;
    owners.by_inode.emplace(4711U, SocketOwner{77, process, 0});
    return owners;
  });
}

}  // namespace closewatch::testing
