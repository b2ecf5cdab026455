// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/klog.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/support/agent_scanner.h"
#include "tests/support/capabilities.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/network_namespace.h"
#include "tests/support/ss.h"
#include "tests/support/tcp_sockets.h"
#include <bpf/btf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "closewatch/base/file.h"
#include "kernel/bpf_source.h"
#include "kernel/inet_diag_source.h"
#include "kernel/procfs_source.h"

/// The engines beside each other, and what only one of them has to fear.

namespace closewatch {
namespace {

using testing::AgentScanner;
using testing::CollectingSink;
using testing::Connection;
using ::testing::HasSubstr;
using testing::kWires;
using testing::Listener;
using testing::NetworkNamespace;
using testing::wait_until;
using testing::Wire;

std::unique_ptr<WalkProgram> walk_program(WalkReads reads = WalkReads::kFastest) {
  auto program = load_walk_program({.reads = reads});
  if (!program) throw std::runtime_error(program.error().what);
  return std::move(*program);
}

/// All that this kernel takes.
std::vector<WalkReads> ways_to_read() {
  const auto by_loads = load_walk_program({.reads = WalkReads::kByLoads});
  if (by_loads) return {WalkReads::kByLoads, WalkReads::kByHelper};
  if (by_loads.error().what.find("bpf_rdonly_cast") == std::string::npos) {
    throw std::runtime_error(by_loads.error().what);
  }
  return {WalkReads::kByHelper};
}

std::unique_ptr<BpfSource> bpf_source(WalkReads reads = WalkReads::kFastest) {
  return std::make_unique<BpfSource>(walk_program(reads));
}

/// What a source tells of a namespace.
struct Told {
  StateCounts states;
  std::vector<SocketRow> rows;  ///< in CLOSE_WAIT and LISTEN, by local and remote port
};

Told told_by(SocketSource& source, int descriptor) {
  CollectingSink sink;
  source.begin_scan(std::nullopt);
  const auto reading = source.read(descriptor, {.tcp_info = true}, sink);
  if (!reading) throw std::runtime_error(reading.error().what);
  Told told;
  for (const auto& count : sink.counts) told.states.add(count.state, count.sockets);
  for (const auto& row : sink.rows) {
    told.states.add(row.state);
    if (row.state == TcpState::kCloseWait || row.state == TcpState::kListen) {
      told.rows.push_back(row);
    }
  }
  std::sort(told.rows.begin(), told.rows.end(), [](const SocketRow& a, const SocketRow& b) {
    return std::tuple(a.local.port, a.remote.port, a.local.address.family) <
           std::tuple(b.local.port, b.remote.port, b.local.address.family);
  });
  return told;
}

void expect_same(const Told& one, const Told& other) {
  EXPECT_EQ(one.states, other.states);
  ASSERT_EQ(one.rows.size(), other.rows.size());
  for (std::size_t i = 0; i < one.rows.size(); ++i) {
    const auto& a = one.rows[i];
    const auto& b = other.rows[i];
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.local, b.local);
    EXPECT_EQ(a.remote, b.remote);
    EXPECT_EQ(a.inode, b.inode);
    EXPECT_EQ(a.receive_queue, b.receive_queue);
    if (a.state != TcpState::kListen) {
      EXPECT_EQ(a.send_queue, b.send_queue);
    }
  }
}

/// Sockets of all kinds in `space`, held by what it returns.
std::vector<UniqueFd> sockets_of_all_kinds(const NetworkNamespace& space) {
  std::vector<UniqueFd> sockets;
  space.run([&] {
    for (const auto wire : kWires) {
      for (const auto state : kTcpStates) {
        if (state == TcpState::kClose || state == TcpState::kSynRecv) continue;  // they do not stay
        for (auto& made : testing::sockets_in(state, wire, 3)) sockets.push_back(std::move(made));
      }
      auto listener = testing::listen_on(wire, 8);
      for (const std::size_t unread : {0U, 1U, 1000U}) {
        auto connection = testing::connected(wire, listener);
        testing::send_bytes(connection.client, unread);
        testing::half_close(connection.client);
        sockets.push_back(std::move(connection.client));
        sockets.push_back(std::move(connection.server));
      }
      sockets.push_back(testing::connect_to(wire, listener.port));  // waits for accept()
      testing::half_close(sockets.back());
      sockets.push_back(std::move(listener.fd));
    }
  });
  return sockets;
}

std::vector<std::byte> bytes_of(const std::filesystem::path& file) {
  std::string content;
  const auto read = read_file_at(kWorkingDirectory, file.c_str(), content);
  if (!read) throw std::runtime_error(read.error().what);
  const auto bytes = std::as_bytes(std::span(content));
  return {bytes.begin(), bytes.end()};
}

/// Of each compiler that there is (CLOSEWATCH_BPF_OBJECTS: a directory for each): clang puts
/// several things that the program says into one instruction, and each version others.
TEST(Engines, BpfTellsTheSameWhicheverClangMadeIt) {
  const NetworkNamespace space("compilers");
  const auto sockets = sockets_of_all_kinds(space);
  const auto descriptor = space.open();
  InetDiagSource inet_diag(*make_netlink_opener());
  const auto* const given = std::getenv("CLOSEWATCH_BPF_OBJECTS");
  std::size_t loaded = 0;
  for (const auto& directory :
       std::filesystem::directory_iterator(given == nullptr ? CLOSEWATCH_BPF_OBJECTS : given)) {
    const auto by_loads = bytes_of(directory.path() / "socket_walk_by_loads.bpf.o");
    const auto by_helper = bytes_of(directory.path() / "socket_walk.bpf.o");
    for (const auto reads : ways_to_read()) {
      SCOPED_TRACE(directory.path().filename().string() +
                   (reads == WalkReads::kByLoads ? ", by loads" : ", by helper"));
      auto program =
          load_walk_program({.reads = reads, .objects = WalkObjects{by_loads, by_helper}});
      ASSERT_TRUE(program) << program.error().what;
      BpfSource bpf(std::move(*program));
      Told before;
      Told walked;
      wait_until("nothing moves while the engines read", [&] {
        before = told_by(inet_diag, descriptor.get());
        walked = told_by(bpf, descriptor.get());
        return before.states == told_by(inet_diag, descriptor.get()).states;
      });
      expect_same(before, walked);
      ++loaded;
    }
  }
  EXPECT_GT(loaded, 0U);
  RecordProperty("loaded", static_cast<int>(loaded));
}

TEST(Engines, TellTheSameRowByRow) {
  const NetworkNamespace space("engines");
  const auto sockets = sockets_of_all_kinds(space);
  InetDiagSource inet_diag(*make_netlink_opener());
  const auto bpf = bpf_source();
  const auto bpf_by_helper = bpf_source(WalkReads::kByHelper);
  ProcfsSource procfs;
  const auto descriptor = space.open();
  const auto text = open_at(kWorkingDirectory,
                            ("/proc/" + std::to_string(space.resident()) + "/net").c_str(), O_PATH);
  ASSERT_TRUE(text);

  // Timers may move a socket on between two readings; then the next round is to be quiet.
  Told before;
  Told walked;
  Told walked_by_helper;
  Told as_text;
  Told after;
  wait_until("nothing moves while the engines read", [&] {
    before = told_by(inet_diag, descriptor.get());
    walked = told_by(*bpf, descriptor.get());
    walked_by_helper = told_by(*bpf_by_helper, descriptor.get());
    as_text = told_by(procfs, text->get());
    after = told_by(inet_diag, descriptor.get());
    return before.states == after.states;
  });
  EXPECT_GT(before.rows.size(), 20U);
  expect_same(before, walked);
  expect_same(before, walked_by_helper);
  expect_same(before, as_text);
  for (std::size_t i = 0; i < walked.rows.size(); ++i) {
    const auto& row = walked.rows[i];
    EXPECT_EQ(row.cgroup_id, before.rows[i].cgroup_id);
    EXPECT_EQ(walked_by_helper.rows[i].cgroup_id, before.rows[i].cgroup_id);
    if (row.state == TcpState::kListen) {
      EXPECT_EQ(row.send_queue, before.rows[i].send_queue);
      EXPECT_EQ(as_text.rows[i].send_queue, kNoAcceptLimit);
      continue;
    }
    constexpr std::uint32_t kTick = 10;  // of the slowest kernel, ms
    ASSERT_TRUE(row.last_ack_received_ms);
    EXPECT_GE(*row.last_ack_received_ms + kTick, *before.rows[i].last_ack_received_ms);
    EXPECT_LE(*row.last_ack_received_ms, *after.rows[i].last_ack_received_ms + kTick);
    EXPECT_FALSE(as_text.rows[i].last_ack_received_ms);
  }
}

TEST(Engines, TellTheSameOfWhatIsUnsent) {
  const NetworkNamespace space("unsent");
  Listener listener;
  Connection full;
  space.run([&] {
    listener = testing::listen_on(Wire::kIpv4, 8);
    full = testing::connected(Wire::kIpv4, listener);
    testing::shrink_buffers(full.server);
    testing::half_close(full.client);
    testing::fill(full.server);
  });
  InetDiagSource inet_diag(*make_netlink_opener());
  const auto bpf = bpf_source();
  const auto descriptor = space.open();
  Told told;
  Told walked;
  wait_until("both ends have told each other all", [&] {
    told = told_by(inet_diag, descriptor.get());
    walked = told_by(*bpf, descriptor.get());
    return told.rows.size() == 2 && walked.states == told.states &&
           std::equal(told.rows.begin(), told.rows.end(), walked.rows.begin(), walked.rows.end(),
                      [](const auto& a, const auto& b) { return a.send_queue == b.send_queue; });
  });
  expect_same(told, walked);
  const auto row_of = [&](const auto& wanted) {
    return std::any_of(walked.rows.begin(), walked.rows.end(), wanted);
  };
  EXPECT_TRUE(row_of([](const SocketRow& row) {
    return row.state == TcpState::kCloseWait && row.send_queue > 0;
  }));
}

TEST(Engines, ANamespacesOwnHashTableIsNotMissed) {
  const NetworkNamespace parent("parent");
  parent.sysctl("net.ipv4.tcp_child_ehash_entries", "64");
  std::unique_ptr<NetworkNamespace> child;
  std::vector<UniqueFd> sockets;
  parent.run([&] { child = std::make_unique<NetworkNamespace>("child"); });
  child->run([&] { sockets = testing::many_in_close_wait(300, 77); });
  AgentScanner scanner;
  wait_until("the agent and ss agree", [&] {
    return scanner.sums_of(child->name()).states == testing::ss_counts(child->name()).states;
  });
  EXPECT_EQ(scanner.last_sums_of(child->name()).states.of(TcpState::kCloseWait), 300U);
}

/// A namespace with a hash table of its own that has but one bucket.
NetworkNamespace with_one_bucket(const std::string& name) {
  const NetworkNamespace parent("parent");
  parent.sysctl("net.ipv4.tcp_child_ehash_entries", "1");
  std::unique_ptr<NetworkNamespace> child;
  parent.run([&] { child = std::make_unique<NetworkNamespace>(name); });
  child->sysctl("net.ipv4.tcp_max_tw_buckets", "100000");  // half the buckets if nobody says so
  return std::move(*child);
}

TEST(Engines, ALongChainIsWalkedToItsEnd) {
  constexpr std::size_t kConnections = 3000;  // both ends of each are in the bucket
  static_assert(2 * kConnections > WALK_RECORDS, "it takes more than one run");
  const auto crowded = with_one_bucket("crowded");
  const NetworkNamespace quiet("quiet");
  std::vector<UniqueFd> sockets;
  quiet.run([&] { sockets = testing::many_in_close_wait(3, 77); });
  crowded.run([&] {
    for (auto& made : testing::many_in_close_wait(kConnections, 78)) {
      sockets.push_back(std::move(made));
    }
  });
  for (const auto reads : ways_to_read()) {
    const auto bpf = bpf_source(reads);
    wait_until("each has got its FIN", [&] {
      const auto states = told_by(*bpf, crowded.open().get()).states;
      return states.of(TcpState::kCloseWait) == kConnections &&
             states.of(TcpState::kFinWait2) == kConnections;
    });
    EXPECT_EQ(told_by(*bpf, quiet.open().get()).states.of(TcpState::kCloseWait), 3U);
  }
  InetDiagSource inet_diag(*make_netlink_opener());
  const auto bpf = bpf_source();
  auto told = told_by(inet_diag, crowded.open().get());
  auto walked = told_by(*bpf, crowded.open().get());
  for (auto* const rows : {&told.rows, &walked.rows}) {
    std::sort(rows->begin(), rows->end(),
              [](const auto& one, const auto& other) { return one.inode < other.inode; });
  }
  expect_same(told, walked);
}

/// Listeners of one port are all in the chain of it and their address, and all pods' listeners are
/// in one table.
TEST(Engines, ManyListenersOnOnePortCostNobodyAnything) {
  constexpr std::size_t kListeners = 5000;
  const NetworkNamespace crowded("crowded");
  const NetworkNamespace quiet("quiet");
  std::vector<UniqueFd> sockets;
  std::array<std::uint16_t, kWires.size()> ports{};
  crowded.run([&] {
    for (std::size_t i = 0; i < kListeners; ++i) {
      const auto which = i % kWires.size();
      auto listener = testing::listen_beside_others(kWires[which], ports[which]);
      ports[which] = listener.port;
      sockets.push_back(std::move(listener.fd));
    }
  });
  quiet.run([&] { sockets.push_back(testing::listen_on(Wire::kIpv4, 8).fd); });
  AgentScanner scanner;
  const auto& snapshot = scanner.scan();
  EXPECT_TRUE(snapshot.complaints.empty());
  EXPECT_EQ(scanner.last_sums_of(crowded.name()).states.of(TcpState::kListen), kListeners);
  EXPECT_EQ(scanner.last_sums_of(quiet.name()).states.of(TcpState::kListen), 1U);
  EXPECT_TRUE(snapshot.node);
}

/// Of a program that has identified the namespace.
WalkMemory memory_for(WalkProgram& program, const NetworkNamespace& space) {
  const auto memory = program.memory();
  const auto descriptor = space.open();
  memory.request.descriptor = static_cast<walk_u32>(descriptor.get());
  EXPECT_TRUE(program.identify_namespace());
  memory.request.generation = 1;
  return memory;
}

/// As when a socket is taken away to another bucket under the walk: a table that begins one bucket
/// later than the program is told has chains that each end with another bucket's marker.
TEST(Engines, AChainThatEndsElsewhereIsReadAgainAndNeverCounted) {
  for (const auto reads : ways_to_read()) {
    const NetworkNamespace space("moved");
    std::vector<UniqueFd> sockets;
    space.run([&] { sockets = testing::many_in_close_wait(100, 78); });
    const auto program = walk_program(reads);
    const auto memory = memory_for(*program, space);
    memory.request.table = memory.found_namespace.established + sizeof(walk_u64);
    memory.request.mask = memory.found_namespace.established_mask / 2;
    memory.request.first = 0;
    std::size_t left_out = 0;
    while (memory.request.first <= memory.request.mask) {
      ASSERT_TRUE(program->walk_table());
      EXPECT_EQ(memory.answer.sockets, 0U);
      EXPECT_EQ(memory.answer.records, 0U);
      EXPECT_EQ(memory.answer.moved, memory.answer.left_out * WALK_ATTEMPTS);
      left_out += memory.answer.left_out;
      const auto next = memory.answer.next;
      ASSERT_GT(next, memory.request.first);
      if (memory.answer.left_out != 0) {
        memory.request.first = next - 1;
        ASSERT_TRUE(program->walk_chain());
        EXPECT_EQ(memory.answer.end, static_cast<walk_u32>(WALK_LED_AWAY));
        EXPECT_GE(memory.answer.records, 1U) << "it is told whose sockets are in it";
      }
      memory.request.first = next;
    }
    EXPECT_GT(left_out, 50U);  // some 100 of 200 sockets are in this half of the table
  }
}

/// Between two runs the socket where the walk goes on may leave, and its memory become another's.
TEST(Engines, AWalkThatHasLostItsWayBetweenTwoRunsSaysSo) {
  for (const auto reads : ways_to_read()) {
    const auto crowded = with_one_bucket("crowded");
    std::vector<UniqueFd> sockets;
    crowded.run([&] { sockets = testing::many_in_close_wait(WALK_RECORDS + 100, 78); });
    const auto program = walk_program(reads);
    const auto memory = memory_for(*program, crowded);
    memory.request.table = memory.found_namespace.established;
    memory.request.mask = memory.found_namespace.established_mask;
    const auto walk = [&](bool resume) {
      memory.request.resume = resume ? 1 : 0;
      EXPECT_TRUE(program->walk_chain());
      return memory.answer.end;
    };
    ASSERT_EQ(walk(false), static_cast<walk_u32>(WALK_MORE));
    EXPECT_EQ(memory.answer.records, static_cast<walk_u32>(WALK_RECORDS));
    ASSERT_EQ(walk(true), static_cast<walk_u32>(WALK_MORE)) << "their other ends are as many";
    const linger reset{.l_onoff = 1, .l_linger = 0};
    for (const auto& socket : sockets) {
      ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    sockets.clear();
    EXPECT_EQ(walk(true), static_cast<walk_u32>(WALK_LED_AWAY));
    EXPECT_EQ(memory.answer.records, 0U);
    EXPECT_EQ(walk(false), static_cast<walk_u32>(WALK_WHOLE));
  }
}

/// As when thousands of namespaces have taken all places.
TEST(Engines, WhoFindsNoGroupIsToldSocketBySocket) {
  const NetworkNamespace space("crowded_out");
  std::vector<UniqueFd> sockets;
  space.run([&] { sockets = testing::sockets_in(TcpState::kEstablished, Wire::kIpv4, 20); });
  for (const auto reads : ways_to_read()) {
    auto program = walk_program(reads);
    const auto memory = program->memory();
    for (const auto& group : memory.groups) {
      auto& taken =
          const_cast<walk_group&>(group);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      taken.generation = 1;
      taken.net = 1;
    }
    BpfSource bpf(std::move(program));
    const auto told = told_by(bpf, space.open().get());
    EXPECT_EQ(told.states, testing::ss_counts(space.name()).states);
    EXPECT_EQ(told.states.of(TcpState::kEstablished), 40U);
  }
}

/// Bytes of a structure of the running kernel's.
std::size_t size_in_kernel(const char* structure) {
  const std::unique_ptr<btf, void (*)(btf*)> types(btf__load_vmlinux_btf(), btf__free);
  const auto id = btf__find_by_name_kind(types.get(), structure, BTF_KIND_STRUCT);
  return id < 0 ? 0 : btf__type_by_id(types.get(), static_cast<__u32>(id))->size;
}

/// Whether the rest of the table of listeners, from a bucket on, has any of the namespace.
bool has_listener_from(WalkProgram& program, std::uint64_t bucket) {
  const auto memory = program.memory();
  memory.request.table = memory.found_namespace.listening;
  memory.request.mask = memory.found_namespace.listening_mask;
  memory.request.listening = 1;
  for (auto next = bucket; next <= memory.request.mask; next = memory.answer.next) {
    memory.request.first = next;
    if (!program.walk_table() || memory.answer.next <= next) {
      ADD_FAILURE() << "the walk does not advance";
      return false;
    }
    const auto records = memory.records.first(memory.answer.records);
    if (std::any_of(records.begin(), records.end(), [&](const walk_record& record) {
          return record.net == memory.found_namespace.net;
        })) {
      return true;
    }
  }
  return false;
}

/// As when a socket begins to listen under the walk: the listener's bucket, laid out as if it were
/// one of the table of connections.
TEST(Engines, AListenerThatIsMetAmongConnectionsIsNotCounted) {
  constexpr std::uint64_t kFirstMarker = 1U << 29U;  // LISTENING_NULLS_BASE
  constexpr std::uint64_t kConnectionsBucket = 8;    // a pointer,
  constexpr std::uint64_t kListenersBucket = 16;     // and a lock before it
  if (size_in_kernel("inet_listen_hashbucket") != kListenersBucket) {
    GTEST_SKIP() << "this kernel's locks are larger, so a bucket cannot be laid out otherwise";
  }
  const NetworkNamespace space("listens");
  Listener listener;
  space.run([&] { listener = testing::listen_on(Wire::kIpv4, 8); });
  for (const auto reads : ways_to_read()) {
    const auto program = walk_program(reads);
    const auto memory = memory_for(*program, space);
    std::uint64_t bucket = 0;
    std::uint64_t beyond = memory.found_namespace.listening_mask + 1;
    while (beyond - bucket > 1) {
      const auto middle = bucket + (beyond - bucket) / 2;
      (has_listener_from(*program, middle) ? bucket : beyond) = middle;
    }

    memory.request.generation = 2;
    memory.request.listening = 0;
    memory.request.first = kFirstMarker + bucket;
    memory.request.table = memory.found_namespace.listening + bucket * kListenersBucket +
                           sizeof(walk_u64) - memory.request.first * kConnectionsBucket;
    // What is read at once shall be of the table, whichever bucket it is.
    memory.request.mask = memory.request.first + (bucket < WALK_CHUNK / 2 ? WALK_CHUNK - 1 : 0);
    ASSERT_TRUE(program->walk_table());
    EXPECT_GE(memory.answer.sockets, 1U) << "it was to be met";
    EXPECT_EQ(memory.answer.records, 0U);
    EXPECT_TRUE(std::none_of(memory.groups.begin(), memory.groups.end(), [&](const auto& group) {
      return group.generation == memory.request.generation &&
             group.net == memory.found_namespace.net;
    }));
  }
}

TEST(Engines, BpfSaysWhatItMisses) {
  const auto no_types = load_walk_program({.btf = "/nonexistent/btf"});
  ASSERT_FALSE(no_types);
  EXPECT_EQ(no_types.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(no_types.error().what, HasSubstr("CONFIG_DEBUG_INFO_BTF"));
  std::thread([] {
    testing::keep_capabilities(0);
    const auto denied = load_walk_program();
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().kind, ErrorKind::kDenied);
    EXPECT_THAT(denied.error().what, HasSubstr("CAP_BPF"));
  }).join();
}

TEST(Engines, BpfTakesNoOtherFileForANetworkNamespace) {
  const auto source = bpf_source();
  source->begin_scan(std::nullopt);
  CollectingSink sink;
  const auto reading = [&](const char* file) {
    return source->read(open_at(kWorkingDirectory, file, O_RDONLY)->get(), {}, sink);
  };
  EXPECT_TRUE(reading("/proc/self/ns/net"));
  for (const auto* const other :
       {"/proc/self/ns/uts", "/proc/self/ns/pid", "/proc/self/stat", "/dev/null", "/"}) {
    const auto read = reading(other);
    ASSERT_FALSE(read) << other;
    EXPECT_EQ(read.error().kind, ErrorKind::kUnsupported) << other;
  }
}

/// Opens and closes connections as fast as it can, until told to end.
class Storm {
 public:
  explicit Storm(const NetworkNamespace& space)
      : thread_([this, &space] { space.run([this] { rage(); }); }) {}
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  Storm(Storm&&) = delete;
  Storm& operator=(Storm&&) = delete;
  ~Storm() {
    done_ = true;
    thread_.join();
  }
  [[nodiscard]] std::size_t connections() const { return connections_; }

 private:
  void rage() {
    const auto listener = testing::listen_on(Wire::kIpv4, 128);
    while (!done_) {
      // Every other one ends with a reset, which leaves nothing behind, or ports would run out.
      auto connection = testing::connected(Wire::kIpv4, listener);
      const linger reset{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(connection.client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      if (connections_ % 2 == 0) testing::half_close(connection.server);
      ++connections_;
    }
  }

  std::atomic<bool> done_ = false;
  std::atomic<std::size_t> connections_ = 0;
  std::thread thread_;
};

/// All of it in one chain: what is freed there is soon a socket at its front again, so whoever
/// holds one that is freed comes by all others twice.
TEST(Engines, AStormInItsOwnBucketDoesNotMakeBpfCountASocketTwice) {
  constexpr std::size_t kStable = 500;
  constexpr std::size_t kScans = 200;
  const auto space = with_one_bucket("stormy");
  std::vector<UniqueFd> stable;
  space.run([&] { stable = testing::many_in_close_wait(kStable, 78); });
  const auto bpf = bpf_source();
  const Storm first(space);
  const Storm second(space);
  wait_until("the storm rages",
             [&] { return first.connections() > 100 && second.connections() > 100; });
  std::size_t seen = 0;
  for (std::size_t i = 0; i < kScans; ++i) {
    CollectingSink sink;
    bpf->begin_scan(std::nullopt);
    if (!bpf->read(space.open().get(), {}, sink)) continue;
    ++seen;
    // The storm's own come from 127.0.0.1.
    const auto counted = std::count_if(sink.rows.begin(), sink.rows.end(), [](const auto& row) {
      return row.state == TcpState::kCloseWait && row.remote.address.bytes[1] == 78;
    });
    EXPECT_EQ(static_cast<std::size_t>(counted), kStable);
  }
  EXPECT_EQ(seen, kScans);
}

/// Lines of the kernel's log that tell of trouble.
std::size_t kernel_troubles() {
  constexpr int kReadAll = 3;
  constexpr int kSize = 10;
  std::vector<char> text(static_cast<std::size_t>(std::max(::klogctl(kSize, nullptr, 0), 1)));
  const auto got = ::klogctl(kReadAll, text.data(), static_cast<int>(text.size()));
  const std::string log(text.data(), static_cast<std::size_t>(std::max(got, 0)));
  std::size_t troubles = 0;
  for (const std::string sign : {"BUG:", "WARNING:", "Oops", "rcu_sched", "soft lockup", "stall"}) {
    for (auto at = log.find(sign); at != std::string::npos; at = log.find(sign, at + 1)) ++troubles;
  }
  return troubles;
}

TEST(Engines, AStormDoesNotDisturbTheCountsOfOthers) {
  // A minute of it is CLOSEWATCH_STORM_SCANS=20000 with the engine bpf, on a machine of two cores.
  const char* const wanted = std::getenv("CLOSEWATCH_STORM_SCANS");
  const std::size_t scans = wanted == nullptr ? 60 : std::stoul(wanted);
  constexpr std::size_t kStable = 5500;
  const auto troubles = kernel_troubles();
  const NetworkNamespace quiet("quiet");
  const NetworkNamespace windy("windy");
  const NetworkNamespace wild("wild");
  std::vector<UniqueFd> stable;
  quiet.run([&] { stable = testing::many_in_close_wait(kStable, 78); });
  AgentScanner scanner;
  const Storm first(windy);
  const Storm second(wild);
  wait_until("the storm rages",
             [&] { return first.connections() > 100 && second.connections() > 100; });
  const auto before = first.connections() + second.connections();
  std::size_t seen = 0;
  for (std::size_t i = 0; i < scans; ++i) {
    const auto& snapshot = scanner.scan();
    EXPECT_EQ(scanner.last_sums_of(quiet.name()).states.of(TcpState::kCloseWait), kStable);
    for (const auto& pod : snapshot.pods) {
      if (pod.name != windy.name() && pod.name != wild.name()) continue;
      if (pod.visibility != Visibility::kVisible) continue;
      ++seen;
      // One connection at a time, and of each at most what waits for a minute in TIME_WAIT.
      constexpr std::size_t kPorts = 28'232;  // ip_local_port_range
      EXPECT_LE(pod.sums.states.total(), 2 * kPorts);
      EXPECT_LE(pod.sums.states.of(TcpState::kEstablished), 4U);
    }
  }
  EXPECT_GT(first.connections() + second.connections(), before);
  // procfs and inet_diag may give up on a namespace that never stands still; bpf sees each.
  if (testing::engine_under_test() == "bpf") {
    EXPECT_EQ(seen, 2 * scans);
  }
  EXPECT_EQ(kernel_troubles(), troubles);
}

}  // namespace
}  // namespace closewatch
