// SPDX-License-Identifier: Apache-2.0
#include "closewatch/connections/connection_reader.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "closewatch/base/exit_status.h"
#include "closewatch/base/file.h"
#include "closewatch/kernel/engines.h"
#include "closewatch/node/namespace_entry.h"
#include "closewatch/pods/namespace_opener.h"
#include "closewatch/scan/guarded_owners.h"

namespace closewatch {
namespace {

constexpr const char* kOnHostsNetwork =
    "it is on the host's network, where the kernel does not tell whose all sockets are: ss on the "
    "node lists them";

/// Notes the ports of those that listen.
class ListeningPorts final : public RowSink {
 public:
  void restart() override { ports.reset(); }
  void row(const SocketRow& row) override {
    if (row.state == TcpState::kListen) ports.set(row.local.port);
  }
  void counted(const SocketCount& /*count*/) override {}
  void port_in_use(std::uint16_t /*port*/) override {}

  PortSet ports;
};

/// What stands below /proc/sys/net is that of the namespace in which the reader is
/// (net_ctl_header_lookup() in net/sysctl_net.c).
Result<PortSet> read_local_ports() {
  std::string range;
  std::string reserved;
  for (const auto& [text, path] :
       {std::pair(&range, "/proc/sys/net/ipv4/ip_local_port_range"),
        std::pair(&reserved, "/proc/sys/net/ipv4/ip_local_reserved_ports")}) {
    if (auto done = read_file_at(kWorkingDirectory, path, *text); !done) {
      return tl::unexpected(done.error());
    }
  }
  return parse_local_ports(range, reserved);
}

/// Takes its thread into namespaces.
class Reader {
 public:
  Reader(NamespaceOpener opener, std::unique_ptr<SocketSource> sockets, NamespaceEntry entry)
      : opener_(std::move(opener)), sockets_(std::move(sockets)), entry_(std::move(entry)) {}

  ConnectionListing list(const Scanner& scanner, const Snapshot& snapshot, const PodFilter& filter,
                         const ConnectionQuery& query);

 private:
  void read_pod(std::size_t pod, std::span<const ReadNamespace> spaces, ConnectionListing& listing);
  Result<void> read_one(std::size_t pod, const LocatedNamespace& at, ConnectionListing& listing);
  [[nodiscard]] Result<PortSet> local_ports(int network_namespace) const;

  NamespaceOpener opener_;
  std::unique_ptr<SocketSource> sockets_;
  NamespaceEntry entry_;
};

ConnectionListing Reader::list(const Scanner& scanner, const Snapshot& snapshot,
                               const PodFilter& filter, const ConnectionQuery& query) {
  ConnectionListing listing(query);
  for (std::size_t place = 0; place < snapshot.pods.size(); ++place) {
    const auto& pod = snapshot.pods[place];
    if (!filter.names(pod)) continue;
    if (pod.visibility != Visibility::kVisible) {
      listing.leave_out({place, pod.visibility, pod.detail});
    } else if (pod.host_network) {
      listing.leave_out({place, Visibility::kHostNetwork, kOnHostsNetwork});
    } else {
      read_pod(place, scanner.namespaces_of(place), listing);
    }
  }
  listing.finish();
  return listing;
}

void Reader::read_pod(std::size_t pod, std::span<const ReadNamespace> spaces,
                      ConnectionListing& listing) {
  for (const auto& space : spaces) {
    const auto done = read_one(pod, space.at, listing);
    if (done || done.error().kind == ErrorKind::kGone) continue;
    return listing.leave_out({pod, Visibility::kIncomplete, done.error().what});
  }
}

Result<void> Reader::read_one(std::size_t pod, const LocatedNamespace& at,
                              ConnectionListing& listing) {
  const auto space = opener_.open(at);
  if (!space) return tl::unexpected(space.error());
  const auto local = local_ports(space->fd.get());
  if (!local) return tl::unexpected(local.error());
  ListeningPorts listening;
  auto done = sockets_->read(space->fd.get(), {.states = bit_of(TcpState::kListen)}, listening);
  if (!done) return tl::unexpected(done.error());
  // All states: whatever is asked for, a port is used by any.
  ConnectionTally tally(listing.settings(), *local, listening.ports);
  done = sockets_->read(space->fd.get(), {}, tally);
  if (!done) return tl::unexpected(done.error());
  listing.add(pod, tally, *local);
  return {};
}

Result<PortSet> Reader::local_ports(int network_namespace) const {
  Result<PortSet> ports;
  const auto done = entry_.run(network_namespace, [&] { ports = read_local_ports(); });
  if (!done) return tl::unexpected(done.error());
  return ports;
}

/// Looks through each pod's once, and remarks why some may be missing.
void find_processes(const Snapshot& snapshot, const std::string& proc, ConnectionAnswer& answer) {
  GuardedOwners owners{SocketOwners(proc)};
  auto& listing = answer.listing;
  std::map<std::size_t, std::vector<std::uint32_t>> inodes;
  for (const auto& listed : listing.sockets()) {
    if (listed.socket.inode != 0) inodes[listed.pod].push_back(listed.socket.inode);
  }
  std::map<std::size_t, SocketOwnerList> found;
  for (auto& [place, wanted] : inodes) {
    found[place] = owners.find(snapshot.pods[place], std::move(wanted));
    if (const auto& error = found[place].error) answer.remarks.push_back(error->what);
  }
  for (auto& listed : listing.sockets()) {
    const auto& by_inode = found[listed.pod].by_inode;
    const auto owner = by_inode.find(listed.socket.inode);
    if (owner != by_inode.end()) listed.process = owner->second;
  }
}

/// Says what is missing; of pods that are no gap where one is asked for by name.
void judge(const Snapshot& snapshot, const PodFilter& filter, ConnectionAnswer& answer) {
  const auto& listing = answer.listing;
  for (const auto& [place, reason, detail] : listing.unlisted()) {
    const auto& pod = snapshot.pods[place];
    const bool is_gap = UnlistedPod{place, reason, {}}.is_gap();
    if (!is_gap && filter.pod.empty()) continue;
    answer.remarks.push_back(pod.pod_namespace + "/" + pod.name + " is not listed (" +
                             std::string(reason_of(reason)) + "): " + detail);
  }
  if (listing.cut()) {
    answer.remarks.push_back("there are more than the " + std::to_string(ConnectionListing::kMost) +
                             " that are listed");
  }
  const auto asked = std::count_if(snapshot.pods.begin(), snapshot.pods.end(),
                                   [&](const PodSnapshot& pod) { return filter.names(pod); });
  const bool none = listing.total() == 0 && !listing.unlisted().empty() &&
                    listing.unlisted().size() == static_cast<std::size_t>(asked);
  answer.status = none ? kExitFailure : listing.is_whole() ? kExitSuccess : kExitNotWhole;
}

}  // namespace

Result<ConnectionAnswer> list_connections(const Scanner& scanner, const Snapshot& snapshot,
                                          const PodFilter& filter, const ConnectionQuery& query,
                                          const std::string& proc) {
  auto sockets = make_inet_diag_source();
  if (!sockets) return tl::unexpected(sockets.error());
  auto entry = NamespaceEntry::make();
  if (!entry) return tl::unexpected(entry.error());
  Reader reader(NamespaceOpener(proc), std::move(*sockets), std::move(*entry));
  ConnectionAnswer answer{reader.list(scanner, snapshot, filter, query), {}, kExitSuccess};
  find_processes(snapshot, proc, answer);
  judge(snapshot, filter, answer);
  return answer;
}

}  // namespace closewatch
