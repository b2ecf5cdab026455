// SPDX-License-Identifier: Apache-2.0
#include "closewatch/api/snapshot_json_reader.h"

#include <arpa/inet.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <iomanip>
#include <sstream>
#include <stdexcept>
#include <string>

#include <boost/json.hpp>

#include "closewatch/base/printable.h"
#include "closewatch/base/whole_number.h"
#include "closewatch/events/tcp_event.h"

namespace closewatch {
namespace {

namespace json = boost::json;

// These throw what Boost.JSON throws, too; read() makes an Error of it.

/// Whoever it is that answered: what it says goes to a terminal.
std::string text_at(const json::object& object, std::string_view key) {
  return printable(std::string(object.at(key).as_string()));
}

std::uint64_t count_at(const json::object& object, std::string_view key) {
  return object.at(key).to_number<std::uint64_t>();
}

template <typename Duration>
Duration duration_at(const json::object& object, std::string_view key) {
  constexpr double kMost = 1e9;  // 31 years: clear of any overflow
  const std::chrono::duration<double> seconds(object.at(key).to_number<double>());
  if (!(seconds.count() >= 0 && seconds.count() <= kMost)) {
    throw std::invalid_argument("'" + std::string(key) + "' is no length of time");
  }
  return std::chrono::round<Duration>(seconds);
}

template <typename Kinds>
auto kind_at(const json::object& object, std::string_view key, const Kinds& kinds) {
  const auto name = text_at(object, key);
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](auto kind) { return name_of(kind) == name; });
  if (found == kinds.end()) throw std::invalid_argument("'" + name + "' is none of its kind");
  return *found;
}

Visibility visibility_of(const json::object& object) {
  if (object.at("visible").as_bool()) return Visibility::kVisible;
  const auto reason = text_at(object, "reason");
  for (const auto visibility :
       {Visibility::kSandboxed, Visibility::kNoProcess, Visibility::kDenied,
        Visibility::kIncomplete, Visibility::kHostNetwork, Visibility::kOverLimit,
        Visibility::kHung, Visibility::kExcluded, Visibility::kStale}) {
    if (reason_of(visibility) == reason) return visibility;
  }
  throw std::invalid_argument("'" + reason + "' is no reason");
}

StateCounts read_states(const json::object& object) {
  StateCounts states;
  for (const auto& [name, count] : object) {
    const auto state = tcp_state_named(name);
    if (!state) throw std::invalid_argument("'" + std::string(name) + "' is no state");
    states.add(*state, count.to_number<std::uint64_t>());
  }
  return states;
}

ContainerDiagnosis read_container(const json::object& object) {
  ContainerDiagnosis container{text_at(object, "container"), {}, count_at(object, "stuck")};
  for (const auto direction : kDirections) {
    const auto& owed = object.at(name_of(direction)).as_object();
    for (const auto owes : kOwedCalls) {
      container.sockets.at(static_cast<std::size_t>(direction)).at(static_cast<std::size_t>(owes)) =
          count_at(owed, name_of(owes));
    }
  }
  return container;
}

PodContainer read_owner(const json::object& object) {
  return {text_at(object, "namespace"), text_at(object, "pod"), text_at(object, "container")};
}

std::vector<PeerSums> read_peers(const json::object& object) {
  std::vector<PeerSums> peers;
  for (const auto& entry : object.at("peers").as_array()) {
    const auto& peer = entry.as_object();
    peers.push_back({kind_at(peer, "direction", kDirections), text_at(peer, "peer"),
                     count_at(peer, "sockets"), count_at(peer, "stuck")});
  }
  return peers;
}

std::vector<OwnerSums> read_owners(const json::object& object) {
  std::vector<OwnerSums> owners;
  for (const auto& entry : object.at("owners").as_array()) {
    const auto& owner = entry.as_object();
    owners.push_back({read_owner(owner), count_at(owner, "sockets"), count_at(owner, "stuck")});
  }
  return owners;
}

Diagnosis read_diagnosis(const json::object& object) {
  Diagnosis diagnosis;
  diagnosis.oldest = duration_at<std::chrono::milliseconds>(object, "oldest_seconds");
  diagnosis.unread_bytes = count_at(object, "unread_bytes");
  diagnosis.entered = count_at(object, "entered_total");
  diagnosis.left = count_at(object, "left_total");
  for (const auto& container : object.at("containers").as_array()) {
    diagnosis.containers.push_back(read_container(container.as_object()));
  }
  diagnosis.peers = read_peers(object);
  diagnosis.owners = read_owners(object);
  return diagnosis;
}

void read_held(const json::object& object, PodSnapshot& pod) {
  auto held = std::make_shared<HeldDiagnosis>();
  pod.held_ago = duration_at<std::chrono::nanoseconds>(object, "read_seconds_ago");
  held->oldest =
      std::max(std::chrono::nanoseconds(),
               duration_at<std::chrono::nanoseconds>(object, "oldest_seconds") - pod.held_ago);
  held->entered = count_at(object, "entered_total");
  held->left_closed = count_at(object, "left_closed_total");
  held->left_held = count_at(object, "left_held_total");
  for (const auto& entry : object.at("containers").as_array()) {
    const auto& container = entry.as_object();
    held->containers.push_back({text_at(container, "container"), count_at(container, "sockets")});
  }
  held->peers = read_peers(object);
  held->owners = read_owners(object);
  pod.held = std::move(held);
}

ContainerDescriptors read_descriptors(const json::object& object) {
  ContainerDescriptors container;
  container.container = text_at(object, "container");
  container.open = count_at(object, "open");
  if (!object.at("limit").is_null()) container.limit = count_at(object, "limit");
  if (!object.at("time_left_seconds").is_null()) {
    container.time_left = duration_at<std::chrono::seconds>(object, "time_left_seconds");
  }
  const auto& process = object.at("process").as_object();
  container.pid = process.at("pid").to_number<pid_t>();
  container.comm = text_at(process, "comm");
  return container;
}

TcpEventCounts read_events(const json::object& object) {
  TcpEventCounts counts;
  for (const auto event : kTcpEvents) {
    const auto name = describe(event).name;
    if (object.contains(name)) counts.set(event, count_at(object, name));
  }
  return counts;
}

PodSnapshot read_pod(const json::object& object) {
  PodSnapshot pod;
  pod.pod_namespace = text_at(object, "namespace");
  pod.name = text_at(object, "pod");
  pod.uid = text_at(object, "uid");
  pod.workload_kind = text_at(object, "workload_kind");
  pod.workload = text_at(object, "workload");
  pod.host_network = object.at("host_network").as_bool();
  pod.visibility = visibility_of(object);
  if (pod.visibility != Visibility::kVisible) {
    pod.detail = text_at(object, "detail");
    return pod;
  }
  pod.sums.states = read_states(object.at("states").as_object());
  for (const auto& entry : object.at("listeners").as_array()) {
    const auto& listener = entry.as_object();
    const bool limited = !listener.at("limit").is_null();
    pod.sums.listeners.push_back(
        {listener.at("port").to_number<std::uint16_t>(), count_at(listener, "backlog"),
         limited ? std::optional(count_at(listener, "limit")) : std::nullopt});
  }
  pod.diagnosis = read_diagnosis(object.at("close_wait").as_object());
  if (const auto& held = object.at("closed_held"); !held.is_null()) {
    read_held(held.as_object(), pod);
  }
  for (const auto& entry : object.at("descriptors").as_array()) {
    pod.descriptors.push_back(read_descriptors(entry.as_object()));
  }
  if (const auto& events = object.at("tcp_events"); !events.is_null()) {
    pod.tcp_events = read_events(events.as_object());
  }
  return pod;
}

/// "2026-11-22T18:27:34.453Z"
std::chrono::system_clock::time_point read_time(const std::string& text) {
  std::istringstream stream(text);
  std::tm parts{};
  char point = 0;
  int milliseconds = 0;
  stream >> std::get_time(&parts, "%Y-%m-%dT%H:%M:%S") >> point >> milliseconds;
  // Years that nanoseconds since 1970 can count.
  constexpr int kFirstYear = 1970 - 1900;
  constexpr int kLastYear = 2200 - 1900;
  const bool sane = parts.tm_year >= kFirstYear && parts.tm_year <= kLastYear &&
                    milliseconds >= 0 && milliseconds < 1000;
  if (!stream || point != '.' || !sane) throw std::invalid_argument("'" + text + "' is no time");
  return std::chrono::system_clock::from_time_t(::timegm(&parts)) +
         std::chrono::milliseconds(milliseconds);
}

void read_scan(const json::object& object, const Clock& clock, Snapshot& snapshot) {
  snapshot.taken_at = read_time(text_at(object, "taken_at"));
  snapshot.taken_at_steady = clock.steady_now() - (clock.wall_now() - snapshot.taken_at);
  snapshot.duration = duration_at<std::chrono::nanoseconds>(object, "duration_seconds");
  snapshot.interval = duration_at<std::chrono::nanoseconds>(object, "interval_seconds");
  snapshot.settings.stuck_after =
      duration_at<std::chrono::milliseconds>(object, "stuck_after_seconds");
}

Snapshot read_snapshot(const json::object& object, const Clock& clock) {
  Snapshot snapshot;
  read_scan(object.at("scan").as_object(), clock, snapshot);
  const auto& node = object.at("node").as_object();
  if (node.at("visible").as_bool()) snapshot.node = read_states(node.at("states").as_object());
  for (const auto& pod : object.at("pods").as_array()) {
    snapshot.pods.push_back(read_pod(pod.as_object()));
  }
  return snapshot;
}

/// "10.0.0.1:443", "[fd00::1]:443"
Endpoint read_endpoint(const std::string& text) {
  Endpoint endpoint;
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) throw std::invalid_argument("'" + text + "' is no endpoint");
  const auto port = whole_number<std::uint16_t>(std::string_view(text).substr(colon + 1));
  auto host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  endpoint.address.family = bracketed ? AddressFamily::kIpv6 : AddressFamily::kIpv4;
  const int parsed =
      ::inet_pton(bracketed ? AF_INET6 : AF_INET, host.c_str(), endpoint.address.bytes.data());
  if (parsed != 1 || !port) throw std::invalid_argument("'" + text + "' is no endpoint");
  endpoint.port = *port;
  return endpoint;
}

ListedSocket read_socket(const json::object& object) {
  ListedSocket listed;
  listed.held = text_at(object, "state") == name_of(TcpState::kClose);
  auto& socket = listed.socket;
  socket.local = read_endpoint(text_at(object, "local"));
  socket.remote = read_endpoint(text_at(object, "remote"));
  socket.direction = kind_at(object, "direction", kDirections);
  socket.owes = kind_at(object, "owes", kOwedCalls);
  socket.age = duration_at<std::chrono::milliseconds>(object, "age_seconds");
  socket.inode = object.at("inode").to_number<std::uint32_t>();
  const auto unread = object.at("unread_bytes").to_number<std::uint32_t>();
  socket.receive_queue = unread > 0 ? unread + 1 : 0;  // the FIN
  listed.container = text_at(object, "container");
  if (const auto& owner = object.at("owner"); !owner.is_null()) {
    listed.owner = read_owner(owner.as_object());
  }
  if (const auto& process = object.at("process"); !process.is_null()) {
    listed.process = SocketOwner{process.as_object().at("pid").to_number<pid_t>(),
                                 text_at(process.as_object(), "comm"), 0};
  }
  return listed;
}

SocketListing read_listing(const json::object& object) {
  SocketListing listing;
  listing.pod_namespace = text_at(object, "namespace");
  listing.pod = text_at(object, "pod");
  listing.visibility = visibility_of(object);
  if (listing.visibility != Visibility::kVisible) {
    listing.detail = text_at(object, "detail");
    return listing;
  }
  listing.total = count_at(object, "total");
  const auto* const missing = object.if_contains("processes_missing");  // older agents tell none
  if (missing != nullptr && !missing->is_null()) {
    listing.processes_missing = text_at(object, "processes_missing");
  }
  for (const auto& socket : object.at("sockets").as_array()) {
    listing.sockets.push_back(read_socket(socket.as_object()));
  }
  return listing;
}

/// The document through `understand`; whatever is wrong with it is one error.
template <typename Understand>
auto read(std::string_view text, Understand understand)
    -> Result<decltype(understand(json::object()))> {
  try {
    return understand(json::parse(text).as_object());
  } catch (const std::exception& mistake) {
    return fail(ErrorKind::kMalformed,
                std::string("this is not what a closewatch agent tells: ") + mistake.what());
  }
}

}  // namespace

Result<Snapshot> read_snapshot_json(std::string_view text, const Clock& clock) {
  return read(text, [&](const json::object& object) { return read_snapshot(object, clock); });
}

Result<SocketListing> read_listing_json(std::string_view text) { return read(text, read_listing); }

}  // namespace closewatch
