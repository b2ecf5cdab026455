#include "kernel/bpf_source.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include <boost/container_hash/hash.hpp>

#include "closewatch/base/file.h"

namespace closewatch {
namespace {

constexpr std::uint16_t kAfInet6 = 10;  // AF_INET6

IpAddress address(const walk_record& record, std::span<const walk_u8, 16> bytes) {
  IpAddress address;
  address.family = record.family == kAfInet6 ? AddressFamily::kIpv6 : AddressFamily::kIpv4;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

/// Of what no other socket of the namespace has while this one is in CLOSE_WAIT, nor a later one at
/// the same address: after the FIN no sequence number follows.
std::uint64_t identity(const walk_record& record) {
  std::size_t hash = 0;
  boost::hash_combine(hash, record.socket);
  boost::hash_combine(hash, record.sequence);
  boost::hash_combine(hash, record.local_port);
  boost::hash_combine(hash, record.remote_port);
  return hash;
}

SocketRow row_of(const walk_record& record, TcpState state, const walk_answer& run,
                 std::optional<unsigned> ticks) {
  SocketRow row;
  row.state = state;
  row.local = {address(record, record.local), record.local_port};
  row.remote = {address(record, record.remote), ntohs(record.remote_port)};
  row.cookie = identity(record);
  row.inode = static_cast<std::uint32_t>(record.inode);  // as inet_diag gives it
  // copied_seq may be ahead while data is being copied (tcp_diag_get_info() cuts it likewise).
  row.receive_queue =
      static_cast<std::int32_t>(record.receive_queue) < 0 ? 0 : record.receive_queue;
  row.send_queue = record.send_queue;
  if (record.cgroup != 0) row.cgroup_id = record.cgroup;
  if (ticks && state != TcpState::kListen) {
    const auto elapsed = static_cast<std::uint32_t>(run.jiffies) - record.received_at;
    // An ACK that came in after the run began is later than "now".
    const bool later = static_cast<std::int32_t>(elapsed) < 0;
    row.last_ack_received_ms =
        later ? 0 : static_cast<std::uint32_t>(std::uint64_t{elapsed} * 1000 / *ticks);
  }
  return row;
}

bool wanted(const SocketQuery& query, TcpState state) {
  return (query.states & bit_of(state)) != 0;
}

}  // namespace

std::optional<unsigned> ticks_per_second(std::uint64_t jiffies, std::uint64_t monotonic_ns) {
  constexpr double kNanoseconds = 1e9;
  constexpr std::uint64_t kWrap = std::uint64_t{1} << 32U;
  constexpr double kClose = 1;  // the clock starts a moment before or after the ticks do, seconds
  constexpr double kDrift = 0.01;  // 250 and 300 are 20 % apart
  const auto monotonic = static_cast<double>(monotonic_ns) / kNanoseconds;
  std::optional<unsigned> fitting;
  for (const unsigned hz : {100U, 250U, 300U, 1000U}) {
    const auto first = kWrap - std::uint64_t{300} * hz;
    if (jiffies < first) continue;
    const auto seconds = static_cast<double>(jiffies - first) / hz;
    if (std::abs(seconds - monotonic) > kClose + kDrift * monotonic) continue;
    if (fitting) return std::nullopt;  // when the ticks wrap, all are alike for a moment
    fitting = hz;
  }
  return fitting;
}

BpfSource::BpfSource(std::unique_ptr<WalkProgram> program)
    : program_(std::move(program)), memory_(program_->memory()) {}

Result<void> BpfSource::check() {
  const auto own = open_at(kWorkingDirectory, "/proc/thread-self/ns/net", O_RDONLY);
  if (!own) return tl::unexpected(own.error());
  const auto found = identify(own->get());
  if (!found) return tl::unexpected(found.error());
  return {};
}

void BpfSource::begin_scan(std::optional<int> split) {
  ++memory_.request.generation;
  tables_.clear();
  rows_.clear();
  rows_sorted_ = true;
  groups_full_ = false;
  known_ports_.swap(next_ports_);
  next_ports_.clear();
  std::sort(known_ports_.begin(), known_ports_.end());
  known_ports_.erase(std::unique(known_ports_.begin(), known_ports_.end()), known_ports_.end());
  std::fill(memory_.ports.begin(), memory_.ports.end(), walk_port{});
  memory_.request.watching = 0;
  split_ = 0;
  if (split) {
    if (const auto space = identify(*split)) split_ = space->net;
  }
  memory_.request.split = split_;
}

Result<SocketReading> BpfSource::read(int network_namespace, const SocketQuery& query,
                                      RowSink& sink) {
  sink.restart();
  const auto space = identify(network_namespace);
  if (!space) return tl::unexpected(space.error());
  // Listeners first: which ports have ceased to listen is known before their sockets are walked.
  const auto& listening = listeners(*space);
  if (!listening.state) return tl::unexpected(listening.state.error());
  const auto& connected = connections(*space);
  if (!connected.state) return tl::unexpected(connected.state.error());
  const auto groups = groups_of(*space);
  if (!groups) return tl::unexpected(groups.error());
  hand_over_counts(*groups, query, sink);
  const auto rows = rows_of(space->net);
  hand_over_rows(rows, query, sink);
  hand_over_ports(*space, rows, sink);
  return SocketReading{space->cookie};
}

Result<walk_namespace> BpfSource::identify(int network_namespace) {
  memory_.request.descriptor = static_cast<walk_u32>(network_namespace);
  if (auto run = program_->identify_namespace(); !run) return tl::unexpected(run.error());
  if (memory_.found_namespace.net == 0) {
    return fail(
        ErrorKind::kUnsupported,
        "it is no network namespace, or the kernel keeps those otherwise than the bpf engine "
        "expects; then take engine inet_diag");
  }
  return memory_.found_namespace;
}

const BpfSource::Table& BpfSource::listeners(const walk_namespace& space) {
  const auto known = tables_.find(space.listening);
  if (known != tables_.end()) return known->second;
  auto table = walk(space.listening, space.listening_mask, true);
  return tables_.emplace(space.listening, std::move(table)).first->second;
}

const BpfSource::Table& BpfSource::connections(const walk_namespace& space) {
  const auto known = tables_.find(space.established);
  if (known != tables_.end()) return known->second;
  watch_ports();
  auto table = walk(space.established, space.established_mask, false);
  return tables_.emplace(space.established, std::move(table)).first->second;
}

/// Run by run, so that no CPU is held for longer than one of them takes. O(buckets + sockets).
BpfSource::Table BpfSource::walk(Address table, std::uint64_t mask, bool listening) {
  auto& request = memory_.request;
  request.table = table;
  request.mask = mask;
  request.listening = listening ? 1 : 0;
  Table done;
  for (std::uint64_t next = 0; next <= mask; next = memory_.answer.next) {
    request.first = next;
    if (auto run = program_->walk_table(); !run) {
      done.state = tl::unexpected(run.error());
      return done;
    }
    const auto& answer = memory_.answer;
    groups_full_ |= answer.no_group > 0;
    take_records();
    if (answer.next <= next) {
      done.state =
          fail(ErrorKind::kSystem, "the walk through the kernel's sockets does not advance");
      return done;
    }
    if (answer.given_up > 0 || answer.too_deep > 0 || answer.unreadable > 0) {
      done.state = fail(ErrorKind::kInterrupted,
                        "the kernel's table of sockets could not be read whole: " +
                            std::to_string(answer.given_up) + " buckets changed each time, " +
                            std::to_string(answer.too_deep) + " have more than " +
                            std::to_string(WALK_DEPTH) + " sockets, " +
                            std::to_string(answer.unreadable) + " stretches cannot be read");
      return done;
    }
  }
  return done;
}

void BpfSource::take_records() {
  const auto& answer = memory_.answer;
  if (!ticks_) ticks_ = ticks_per_second(answer.jiffies, answer.monotonic);
  for (const auto& record :
       memory_.records.first(std::min<std::size_t>(answer.records, WALK_RECORDS))) {
    const auto state = tcp_state_from(record.state);
    if (!state) continue;
    rows_.push_back({record.net, row_of(record, *state, answer, ticks_)});
    rows_sorted_ = false;
  }
}

/// Tells the program which ports have ceased to listen, mostly none. O(rows + known ports).
void BpfSource::watch_ports() {
  sort_rows();
  auto row = rows_.cbegin();
  for (const auto& known : known_ports_) {
    while (row != rows_.cend() && place_of(*row) < known.place) ++row;
    if (listens({row, rows_.cend()}, known.place)) continue;
    const auto [space, port] = known.place;
    auto* const watched = watched_port(space, port);
    if (watched == nullptr) continue;
    watched->net = space;
    watched->port = port;
    memory_.request.watching = 1;
  }
}

/// Where the program looks for a port: there it is or may be put. nullptr when there is no room.
walk_port* BpfSource::watched_port(Address space, std::uint16_t port) const {
  const auto start = walk_port_place(space, port);
  for (unsigned i = 0; i < WALK_PROBES; ++i) {
    auto& place = memory_.ports[(start + i) & (WALK_PORTS - 1)];
    if (place.net == 0 || (place.net == space && place.port == port)) return &place;
  }
  return nullptr;
}

void BpfSource::sort_rows() {
  if (rows_sorted_) return;
  std::sort(rows_.begin(), rows_.end(),
            [](const OwnedRow& a, const OwnedRow& b) { return place_of(a) < place_of(b); });
  rows_sorted_ = true;
}

/// Whether a listener is among the first of `rows`, which begin with those at `place`, if any are.
bool BpfSource::listens(std::span<const OwnedRow> rows, const Place& place) {
  for (const auto& owned : rows) {
    if (place_of(owned) != place) break;
    if (owned.row.state == TcpState::kListen) return true;
  }
  return false;
}

/// O(log rows + those of the namespace).
std::span<const BpfSource::OwnedRow> BpfSource::rows_of(Address space) {
  sort_rows();
  const auto begin =
      std::lower_bound(rows_.cbegin(), rows_.cend(), space,
                       [](const OwnedRow& row, Address wanted) { return row.space < wanted; });
  const auto end =
      std::find_if(begin, rows_.cend(), [&](const OwnedRow& row) { return row.space != space; });
  return {begin, end};
}

void BpfSource::hand_over_counts(std::span<const walk_group* const> groups,
                                 const SocketQuery& query, RowSink& sink) {
  for (const auto* const group : groups) {
    for (const auto state : kTcpStates) {
      // Those have rows.
      if (state == TcpState::kCloseWait || state == TcpState::kListen) continue;
      const auto sockets = group->sockets[static_cast<std::size_t>(state)];
      if (sockets == 0 || !wanted(query, state)) continue;
      sink.counted(
          {state, sockets,
           group->cgroup != 0 ? std::optional<std::uint64_t>(group->cgroup) : std::nullopt});
    }
  }
}

void BpfSource::hand_over_rows(std::span<const OwnedRow> rows, const SocketQuery& query,
                               RowSink& sink) {
  for (const auto& owned : rows) {
    if (!wanted(query, owned.row.state)) continue;
    auto row = owned.row;
    if (!query.tcp_info) row.last_ack_received_ms.reset();
    sink.row(row);
  }
}

/// The groups that the program has counted the namespace's sockets in: none when it has no sockets.
Result<std::span<const walk_group* const>> BpfSource::groups_of(const walk_namespace& space) {
  const auto generation = memory_.request.generation;
  auto& found = groups_found_;
  found.clear();
  bool full = groups_full_;
  if (space.net == split_) {
    for (const auto& group : memory_.groups) {
      if (group.generation == generation && group.net == space.net) found.push_back(&group);
    }
  } else {
    const auto start = walk_group_place(space.net, 0);
    for (unsigned i = 0; i < WALK_PROBES; ++i) {
      const auto& group = memory_.groups[(start + i) & (WALK_GROUPS - 1)];
      if (group.generation != generation) {
        full = false;  // there was room for it
        break;
      }
      if (group.net != space.net || group.cgroup != 0) continue;
      found.push_back(&group);
      full = false;
      break;
    }
  }
  if (full) {
    return fail(ErrorKind::kInterrupted,
                "the bpf engine has room for " + std::to_string(WALK_GROUPS) +
                    " network namespaces and cgroups of the host's; take engine inet_diag");
  }
  for (const auto* const group : found) {
    if (group->cookie == space.cookie) continue;
    return fail(ErrorKind::kInterrupted,
                "the network namespace is another than when it was walked");
  }
  return std::span<const walk_group* const>(found);
}

void BpfSource::hand_over_ports(const walk_namespace& space, std::span<const OwnedRow> rows,
                                RowSink& sink) {
  for (const auto& owned : rows) {
    if (owned.row.state != TcpState::kListen) continue;
    next_ports_.push_back({place_of(owned), space.cookie});
  }
  auto known =
      std::lower_bound(known_ports_.cbegin(), known_ports_.cend(), KnownPort{{space.net, 0}, 0});
  for (; known != known_ports_.cend() && known->place.first == space.net; ++known) {
    // Of a namespace that was at the same address before.
    if (known->cookie != space.cookie) continue;
    while (!rows.empty() && place_of(rows.front()) < known->place) rows = rows.subspan(1);
    if (listens(rows, known->place)) continue;
    const auto port = known->place.second;
    const auto* const watched = watched_port(space.net, port);
    // What there was no room to watch is remembered for longer than it need be.
    if (watched != nullptr && watched->in_use == 0) continue;
    sink.port_in_use(port);
    next_ports_.push_back(*known);
  }
}

}  // namespace closewatch
