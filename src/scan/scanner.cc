// SPDX-License-Identifier: Apache-2.0
#include "closewatch/scan/scanner.h"

#include <algorithm>
#include <atomic>
#include <tuple>
#include <utility>
#include <variant>

#include "closewatch/scan/guarded_owners.h"
#include "closewatch/scan/reading_paces.h"

namespace closewatch {
namespace {

constexpr const char* kNoCgroups =
    "it shares the host's network namespace, and without cgroup v2 nobody can tell its sockets from "
    "the node's";
constexpr const char* kNoCgroupsInText =
    "it shares the host's network namespace, and the engine procfs is not told which cgroup made a "
    "socket; take the engine inet_diag or bpf";

constexpr const char* kExcludedDetail =
    "pods of this namespace are not counted: pods.namespaces of the configuration says so";

/// Of both, the oldest, as many as are listed.
void add_oldest(std::vector<CloseWaitSocket>& sockets, std::vector<CloseWaitSocket> others,
                std::size_t most) {
  sockets.insert(sockets.end(), others.begin(), others.end());
  std::stable_sort(sockets.begin(), sockets.end(),
                   [](const auto& a, const auto& b) { return a.age > b.age; });
  if (sockets.size() > most) sockets.resize(most);
}

Visibility visibility_after(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kGone:
      return Visibility::kNoProcess;
    case ErrorKind::kDenied:
    case ErrorKind::kForeign:
      return Visibility::kDenied;
    case ErrorKind::kInterrupted:
    case ErrorKind::kMalformed:
    case ErrorKind::kUnsupported:
    case ErrorKind::kSystem:
      return Visibility::kIncomplete;
    case ErrorKind::kOverLimit:
      return Visibility::kOverLimit;
    case ErrorKind::kHung:
      return Visibility::kHung;
  }
  return Visibility::kIncomplete;
}

ScanStage stage_of_reading(const Error& error) {
  return error.kind == ErrorKind::kMalformed ? ScanStage::kDecode : ScanStage::kSockets;
}

/// Who the pod is, nothing counted yet.
PodSnapshot identity(Pod pod) {
  PodSnapshot snapshot;
  static_cast<Pod&>(snapshot) = std::move(pod);
  return snapshot;
}

bool has_named_namespace(const Pod& pod) {
  return pod.located && std::holds_alternative<NamespaceFile>(pod.located->where);
}

void sort_by_name(std::vector<Pod>& pods) {
  std::sort(pods.begin(), pods.end(), [](const Pod& a, const Pod& b) {
    return std::tie(a.pod_namespace, a.name, a.uid) < std::tie(b.pod_namespace, b.name, b.uid);
  });
}

}  // namespace

/// Finds the namespaces of some pods, one after the other. Done by a thread that may be left
/// behind, which then has this to itself: each pod's result is written once, before `next_` says
/// so.
class Scanner::Finding {
 public:
  Finding(NamespaceOpener opener, std::optional<NamespaceId> node,
          std::shared_ptr<const Snapshot> pods, std::size_t begin, std::size_t end)
      : opener_(std::move(opener)),
        node_(node),
        pods_(std::move(pods)),
        begin_(begin),
        found_(end - begin) {}

  void run() {
    for (auto i = next_.load(); i < found_.size() && !left_; next_ = ++i) {
      found_[i].emplace(opener_.open(pods_->pods[begin_ + i], node_));
    }
  }
  /// The first whose result is not there. Those before it are the caller's from now on.
  std::size_t leave() {
    left_ = true;
    return next_;
  }
  Result<PodNamespaces> take(std::size_t place) { return std::move(*found_[place - begin_]); }

 private:
  NamespaceOpener opener_;
  std::optional<NamespaceId> node_;
  std::shared_ptr<const Snapshot> pods_;  ///< of whom nobody changes what is read here
  std::size_t begin_;
  std::vector<std::optional<Result<PodNamespaces>>> found_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> left_ = false;
};

/// Reads one namespace, likewise.
class Scanner::Reading {
 public:
  Reading(std::shared_ptr<Reader> reader, OpenNamespace space, RowSink& sink)
      : reader_(std::move(reader)), space_(std::move(space)), sink_(sink) {}

  void run() { result_ = reader_->sockets->read(space_.fd.get(), {.tcp_info = true}, sink_); }
  Result<SocketReading> result() { return std::move(result_); }

 private:
  std::shared_ptr<Reader> reader_;
  OpenNamespace space_;
  RowSink& sink_;  ///< a tally of the reader's
  Result<SocketReading> result_;
};

/// Reads one namespace for a check, likewise.
class Scanner::Testifying {
 public:
  Testifying(std::shared_ptr<SocketSource> source, OpenNamespace space)
      : source_(std::move(source)), space_(std::move(space)) {}

  void run() { result_ = read(); }
  Result<Testimony> result() { return std::move(result_); }

 private:
  Result<Testimony> read() {
    // Before the sockets: what is sent or received between two testimonies shows in the later one.
    auto traffic = tcp_traffic(space_.fd.get());
    if (!traffic) return tl::unexpected(traffic.error());
    Testimony testimony{space_.id, std::move(*traffic), NamespaceRecord()};
    Recording recording(testimony.record);
    const auto done = source_->read(space_.fd.get(), {}, recording);
    if (!done) return tl::unexpected(done.error());
    return testimony;
  }

  std::shared_ptr<SocketSource> source_;
  OpenNamespace space_;
  Result<Testimony> result_ = fail(ErrorKind::kSystem, "not read yet");
};

/// What the scanner has used of the CPU since this was made.
class Scanner::CpuMeter {
 public:
  explicit CpuMeter(const Scanner& scanner) : scanner_(scanner), before_(scanner.cpu()) {}
  [[nodiscard]] std::chrono::nanoseconds used() const { return scanner_.cpu() - before_; }

 private:
  const Scanner& scanner_;
  std::chrono::nanoseconds before_;
};

std::chrono::nanoseconds Scanner::cpu() const { return clock_.thread_cpu() + guard_.cpu(); }

Scanner::Scanner(std::unique_ptr<PodSource> pods, NamespaceOpener opener, SocketOwners owners,
                 std::unique_ptr<SocketSource> sockets, ScanSettings settings, const Clock& clock)
    : pods_(std::move(pods)),
      opener_(std::move(opener)),
      owners_(std::move(owners)),
      reader_(std::make_shared<Reader>()),
      wanted_engine_(settings.engine),
      settings_(std::move(settings)),
      clock_(clock),
      guard_(settings_.patience),
      histories_(settings_.held_sockets != nullptr) {
  reader_->engine = settings_.engine;
  reader_->sockets = std::move(sockets);
  if (settings_.engine_policy) witness_.emplace();
  const auto paces = reading_paces(settings_.cpu_budget, settings_.pacer.configured());
  if (settings_.descriptors) descriptor_watch_.emplace(*settings_.descriptors, paces.descriptors);
  if (settings_.held_sockets) held_watch_.emplace(settings_.held_sockets, paces.held);
  if (settings_.tcp_events.any()) {
    event_watch_.emplace(TcpEventReader(opener_, settings_.tcp_events), paces.events);
  }
}

std::shared_ptr<const Snapshot> Scanner::scan(const std::function<bool()>& go_on) {
  auto snapshot = scan_once(go_on);
  const bool convicted = witness_ && witness_->verdict() && reader_->engine == Engine::kBpf;
  if (snapshot != nullptr && convicted) snapshot = take_bpfs_word_back(go_on);
  if (snapshot != nullptr) last_ = snapshot;
  return snapshot;
}

std::shared_ptr<Snapshot> Scanner::scan_once(const std::function<bool()>& go_on) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->settings = settings_.diagnosis;
  snapshot->engines = settings_.engines;
  const auto started = clock_.steady_now();
  const CpuMeter meter(*this);
  features_.socket_inode = false;
  check_cpu_ = {};
  namespaces_read_ = 0;

  std::chrono::nanoseconds scan_cpu{};  // without what has a pace of its own
  bool whole = true;
  go_on_ = [&] { return whole = whole && go_on(); };
  guard_.begin_scan();
  opener_.begin_scan();
  begin_change(*snapshot);
  auto list = list_pods();
  if (list) {
    read_all(std::move(*list), snapshot);
    scan_cpu = meter.used();
    if (whole) read_beside(snapshot);
    if (!whole) {
      next_reader_.reset();
      return nullptr;
    }
  } else {
    complain(*snapshot, ScanStage::kDiscovery, list.error());
    snapshot->pods = last_pods_unseen(list.error());
    next_reader_.reset();  // neither has read anything
  }
  leave_out(*snapshot);

  snapshot->taken_at = clock_.wall_now();
  snapshot->taken_at_steady = clock_.steady_now();
  snapshot->duration = snapshot->taken_at_steady - started;
  snapshot->cpu = meter.used();
  cpu_total_ += snapshot->cpu;
  snapshot->cpu_total = cpu_total_;
  if (next_reader_) {
    end_change(*snapshot);
    scan_cpu = {};  // what two engines have cost tells nothing of the next scan
  } else if (list && settings_.engine_policy) {
    choose_engine(scan_cpu - check_cpu_, snapshot->taken_at_steady);
  }
  snapshot->interval = next_interval(scan_cpu);
  snapshot->over_budget = settings_.pacer.over_budget();
  record_trends(*snapshot);
  snapshot->errors = errors_;
  snapshot->hung_reads = guard_.stuck();
  snapshot->features = features_;
  if (witness_) snapshot->checks = witness_->checks();
  return snapshot;
}

/// `cpu`: what the scan has cost, without its check.
void Scanner::choose_engine(std::chrono::nanoseconds cpu,
                            std::chrono::steady_clock::time_point now) {
  std::optional<std::chrono::nanoseconds> by_inet_diag;
  if (witness_ && reader_->engine == Engine::kBpf) {
    witness_->scanned(cpu);
    if (const auto dump = witness_->dump_cpu()) by_inet_diag = cpu + namespaces_read_ * *dump;
  }
  wanted_engine_ = settings_.engine_policy->after(reader_->engine, cpu, by_inet_diag, now);
}

/// What bpf has told of this scan is not shown. By inet_diag beside bpf it shows which sockets were
/// known, and as old as they were; then inet_diag reads alone.
std::shared_ptr<Snapshot> Scanner::take_bpfs_word_back(const std::function<bool()>& go_on) {
  wanted_engine_ = Engine::kInetDiag;
  settings_.engine_policy->refuse_bpf();
  auto snapshot = scan_once(go_on);
  if (snapshot == nullptr) return nullptr;
  if (reader_->engine == Engine::kBpf) {  // inet_diag cannot be had now, or there were no pods
    for (auto& pod : snapshot->pods) {
      if (pod.visibility == Visibility::kVisible) {
        pod.hide(Visibility::kIncomplete, "bpf has told what is not so: " + *witness_->verdict());
      }
    }
    snapshot->node.reset();
    return snapshot;
  }
  snapshot = scan_once(go_on);
  if (snapshot != nullptr) {
    complain(*snapshot, ScanStage::kSockets,
             {ErrorKind::kMalformed,
              "the engine bpf has twice told what is not so, and inet_diag reads from now on: " +
                  *witness_->verdict() + "; report it with the version of the kernel"});
    snapshot->errors = errors_;
  }
  return snapshot;
}

/// Where another engine is to read from now on, both read this scan: they call sockets by different
/// names, and by addresses it shows which are the same.
void Scanner::begin_change(Snapshot& snapshot) {
  next_reader_.reset();
  if (wanted_engine_ == reader_->engine) return;
  auto reader = make_reader(wanted_engine_);
  if (reader) {
    next_reader_ = std::move(*reader);
    return;
  }
  complain(snapshot, ScanStage::kSockets,
           {reader.error().kind, "the engine " + std::string(name_of(wanted_engine_)) +
                                     " cannot take over: " + reader.error().what});
  status_of(wanted_engine_).reason = reason_of(reader.error());
  if (wanted_engine_ == Engine::kBpf) settings_.engine_policy->refuse_bpf();
  wanted_engine_ = reader_->engine;
}

void Scanner::end_change(const Snapshot& snapshot) {
  // Nobody has read those, so nobody knows what the other calls their sockets.
  for (const auto& pod : snapshot.pods) {
    if (pod.visibility != Visibility::kVisible) histories_.of(pod).forget_names();
  }
  status_of(reader_->engine).reason = reason_to_leave(reader_->engine);
  reader_ = std::exchange(next_reader_, nullptr);
  status_of(reader_->engine).reason = "";
  opener_.take_at_most(namespaces_of_pod(reader_->engine));
  settings_.pacer.forget();
}

std::string_view Scanner::reason_to_leave(Engine engine) const {
  if (engine == Engine::kInetDiag) return kEngineDear;
  return witness_ && witness_->verdict() ? kEngineDisagrees : kEngineNotNeeded;
}

EngineStatus& Scanner::status_of(Engine engine) {
  return *std::find_if(settings_.engines.begin(), settings_.engines.end(),
                       [&](const EngineStatus& status) { return status.engine == engine; });
}

Result<std::shared_ptr<Scanner::Reader>> Scanner::make_reader(Engine engine) const {
  auto source = settings_.make_source(engine);
  if (!source) return tl::unexpected(source.error());
  auto reader = std::make_shared<Reader>();
  reader->engine = engine;
  reader->sockets = std::move(*source);
  return reader;
}

/// What has a pace of its own.
void Scanner::read_beside(const std::shared_ptr<Snapshot>& snapshot) {
  if (descriptor_watch_) read_descriptors(snapshot);
  features_.held_sockets = false;
  if (held_watch_) read_held(*snapshot);
  if (event_watch_) read_events(snapshot);
}

void Scanner::read_descriptors(const std::shared_ptr<Snapshot>& snapshot) {
  auto failures = descriptor_watch_->update({snapshot, histories_, guard_, go_on_, clock_});
  for (; failures > 0; --failures) count(ScanStage::kNamespace);
  // Told as long as it holds, counted once.
  if (const auto& error = descriptor_watch_->error()) {
    snapshot->complaints.push_back(std::string(name_of(ScanStage::kNamespace)) + ": " +
                                   error->what);
  }
}

void Scanner::read_held(Snapshot& snapshot) {
  std::unordered_map<ino_t, std::size_t> homes;
  for (const auto& claim : claims_) {
    if (const auto inode = inodes_.find(claim.space); inode != inodes_.end()) {
      homes.emplace(inode->second, claim.place);
    }
  }
  const auto done = held_watch_->update(
      {snapshot, histories_, foreign_owners_, guarded_look(snapshot), clock_, homes});
  if (!done) count(ScanStage::kSockets);
  features_.held_sockets = !held_watch_->error();
  if (const auto& error = held_watch_->error()) {
    snapshot.complaints.push_back(std::string(name_of(ScanStage::kSockets)) +
                                  ": held sockets are not known: " + error->what);
  }
}

void Scanner::read_events(const std::shared_ptr<Snapshot>& snapshot) {
  auto failures =
      event_watch_->update({snapshot, histories_, guard_, go_on_, clock_, read_spaces_});
  for (; failures > 0; --failures) count(ScanStage::kNamespace);
  if (const auto& error = event_watch_->error()) {
    snapshot->complaints.push_back(std::string(name_of(ScanStage::kNamespace)) + ": " +
                                   error->what);
  }
}

/// Such that scans keep to what of the budget the readings beside them leave.
std::chrono::nanoseconds Scanner::next_interval(std::chrono::nanoseconds scan_cpu) {
  double beside = 0;
  if (descriptor_watch_) beside += descriptor_watch_->pace().rate();
  if (held_watch_) beside += held_watch_->pace().rate();
  if (event_watch_) beside += event_watch_->pace().rate();
  const double left = settings_.cpu_budget / (settings_.cpu_budget - beside);
  return settings_.pacer.after(std::chrono::round<std::chrono::nanoseconds>(left * scan_cpu));
}

Result<PodList> Scanner::list_pods() {
  constexpr std::string_view kWhom = "the list of pods";
  constexpr const char* kListHangs =
      "listing the pods hangs: the cgroup tree, or the directory of a log, does not answer";
  if (guard_.is_stuck(kWhom)) return fail(ErrorKind::kHung, kListHangs);
  struct Listing {
    std::shared_ptr<PodSource> pods;
    std::optional<Result<PodList>> list;
  };
  const auto listing = std::make_shared<Listing>(Listing{pods_, {}});
  if (guard_.run([listing] { listing->list = listing->pods->list(); }, go_on_)) {
    return std::move(*listing->list);
  }
  guard_.blame(kWhom);
  return fail(ErrorKind::kHung, kListHangs);
}

/// Stops between two pods when `go_on_` says so.
void Scanner::read_all(PodList list, const std::shared_ptr<Snapshot>& snapshot) {
  for (const auto& error : list.errors) complain(*snapshot, ScanStage::kDiscovery, error);
  for (const auto& error : list.name_errors) complain(*snapshot, ScanStage::kMetadata, error);
  features_.metadata_api = list.follows_api_server;
  if (!go_on_()) return;
  histories_.follow(list);
  claims_.clear();
  host_pods_.clear();
  spread_pods_.clear();
  check_.reset();
  inodes_.clear();
  if (held_watch_) held_watch_->begin(clock_.steady_now());
  outside_ = false;
  auto node = open_node(list, *snapshot);
  const auto split = node.space ? std::optional(node.space->fd.get()) : std::nullopt;
  reader_->sockets->begin_scan(split);
  if (next_reader_) next_reader_->sockets->begin_scan(split);
  sort_by_name(list.pods);
  snapshot->pods.reserve(list.pods.size());
  for (auto& pod : list.pods) snapshot->pods.push_back(identity(std::move(pod)));
  read_spaces_.assign(snapshot->pods.size(), {});
  foreign_owners_.begin(snapshot);
  if (witness_ && reader_->engine == Engine::kBpf && !next_reader_) begin_check(node, snapshot);
  read_pods(node, snapshot);
  settle_claims(*snapshot);
  read_spread_pods(*snapshot);
  if (outside_) {
    hide_node(*snapshot);
  } else if (node.space) {
    if (!go_on_()) return;
    read_node(std::move(node), *snapshot);
  }
  if (check_) end_check();
}

Scanner::Node Scanner::open_node(const PodList& list, Snapshot& snapshot) {
  Node node;
  node.at = list.node;
  auto opened =
      list.node.and_then([&](const NamespaceLocator& locator) { return opener_.open(locator); });
  if (opened) {
    node.space = std::move(*opened);
  } else {
    complain(snapshot, ScanStage::kNamespace, opened.error());
    node.error = opened.error();
  }
  return node;
}

/// Looks for the namespaces of some pods at once, as changing to the guard's thread for each costs
/// more than looking does; not of all, as each that is found is kept alive until it has been read.
void Scanner::read_pods(const Node& node, const std::shared_ptr<Snapshot>& snapshot) {
  constexpr std::size_t kTogether = 16;
  const auto pods = snapshot->pods.size();
  for (std::size_t begin = 0; begin < pods; begin += kTogether) {
    if (!go_on_()) return;
    const auto end = std::min(begin + kTogether, pods);
    auto found = find_namespaces(begin, end, node, snapshot);
    for (auto place = begin; place < end; ++place) {
      if (!go_on_()) return;
      read_pod(place, std::move(found[place - begin]), node, *snapshot);
    }
  }
}

std::vector<Result<PodNamespaces>> Scanner::find_namespaces(
    std::size_t begin, std::size_t end, const Node& node,
    const std::shared_ptr<Snapshot>& snapshot) {
  std::vector<Result<PodNamespaces>> found;
  found.reserve(end - begin);
  while (begin < end) {
    // As far as the next that hangs already.
    auto until = begin;
    while (until < end && !guard_.is_stuck(snapshot->pods[until].uid)) ++until;
    const auto finding = std::make_shared<Finding>(
        opener_, node.space ? std::optional(node.space->id) : std::nullopt, snapshot, begin, until);
    const bool done = until == begin || guard_.run([finding] { finding->run(); }, go_on_);
    const auto reached = done ? until : begin + finding->leave();
    for (; begin < reached; ++begin) found.emplace_back(finding->take(begin));
    if (!done) guard_.blame(snapshot->pods[begin].uid);
    if (begin == end) break;
    found.emplace_back(fail(ErrorKind::kHung, kHangs));
    ++begin;
  }
  return found;
}

void Scanner::read_pod(std::size_t place, Result<PodNamespaces> namespaces, const Node& node,
                       Snapshot& snapshot) {
  auto& pod = snapshot.pods[place];
  // Only who is at home where is told of such a pod, or its visitors would get its sockets.
  const bool left_out = leaves_out(pod);
  // Who does not know the host's namespace cannot tell a pod's own from it, and would blame the
  // pod.
  if (node.error && !has_named_namespace(pod) && !left_out) {
    return mark_unseen(pod, ScanStage::kNamespace, *node.error);
  }
  if (!namespaces) {
    outside_ |= namespaces.error().kind == ErrorKind::kForeign;
    if (left_out) return;
    return mark_unseen(pod, ScanStage::kNamespace, namespaces.error());
  }
  pod.host_network = namespaces->host_network;
  for (const auto& space : namespaces->own) {
    const bool home = !pod.host_network && &space == &namespaces->own.front();
    claims_.push_back({space.id, !home, place});
    if (held_watch_ && held_watch_->is_due()) {
      if (const auto inode = opener_.inode_of(space)) inodes_[space.id] = *inode;
    }
  }
  if (left_out) return;
  if (namespaces->sandboxed) {
    pod.hide(Visibility::kSandboxed,
             "a sandboxed runtime keeps its sockets out of the host's kernel");
  } else if (namespaces->own.size() + (pod.host_network ? 1 : 0) > 1) {
    spread_pods_.push_back({place, std::move(*namespaces)});
  } else {
    read_namespaces(place, std::move(*namespaces), snapshot);
  }
}

void Scanner::read_namespaces(std::size_t place, PodNamespaces namespaces, Snapshot& snapshot) {
  auto& pod = snapshot.pods[place];
  if (namespaces.host_network) {
    pod.hide(Visibility::kHostNetwork, settings_.ask_descriptors ? kNoCgroups : kNoCgroupsInText);
    if (!namespaces.cgroups_known) return;
    const auto read = read_beside_host(std::move(namespaces), place, snapshot);
    if (!read) mark_unseen(pod, stage_of_reading(read.error()), read.error());
  } else if (const auto read = read_sockets(namespaces, pod, snapshot); !read) {
    mark_unseen(pod, stage_of_reading(read.error()), read.error());
  } else {
    pod.visibility = Visibility::kVisible;
  }
}

/// Those that stand in several namespaces, each in those that it does not merely visit.
void Scanner::read_spread_pods(Snapshot& snapshot) {
  for (auto& [place, namespaces] : spread_pods_) {
    if (!go_on_()) return;
    std::erase_if(namespaces.own, [&, place = place](const PodNamespace& space) {
      return std::none_of(claims_.begin(), claims_.end(), [&](const Claim& claim) {
        return claim.place == place && claim.space == space.id;
      });
    });
    read_namespaces(place, std::move(namespaces), snapshot);
  }
}

Result<void> Scanner::read_sockets(PodNamespaces& namespaces, PodSnapshot& pod,
                                   Snapshot& snapshot) {
  if (auto read = read_own(namespaces, pod, snapshot); !read) return read;
  auto& history = histories_.of(pod);
  history.end_scan();
  diagnose_pod(pod, history, reader_->tally);
  return {};
}

/// What a hostNetwork pod has in namespaces of its own, if it has any; its part of the host's comes
/// with the node.
Result<void> Scanner::read_beside_host(PodNamespaces namespaces, std::size_t place,
                                       Snapshot& snapshot) {
  auto& pod = snapshot.pods[place];
  HostPod shared;
  shared.place = place;
  if (!namespaces.own.empty()) {
    if (auto read = read_own(namespaces, pod, snapshot); !read) return read;
    shared.own_sums = std::exchange(pod.sums, {});
    shared.own_diagnosis = diagnosis_of(pod, reader_->tally);
  }
  shared.cgroups = std::move(namespaces.cgroups);
  host_pods_.push_back(std::move(shared));
  return {};
}

/// Adds up the pod's own namespaces. Its history goes on until end_scan().
Result<void> Scanner::read_own(PodNamespaces& namespaces, PodSnapshot& pod, Snapshot& snapshot) {
  auto& history = histories_.of(pod);
  reader_->tally.begin_pod(namespaces.cgroups, history.sockets());
  history.begin_scan();
  for (auto& space : namespaces.own) {
    if (!go_on_()) break;
    reader_->tally.begin_namespace();
    auto opened =
        space.fd.valid() ? OpenNamespace{std::move(space.fd), space.id} : opener_.open(space.at);
    // Who was alone in it has ended meanwhile, and the namespace with it.
    if (!opened && opened.error().kind == ErrorKind::kGone && &space != &namespaces.own.front()) {
      continue;
    }
    const auto read = read_checked(space.id, std::move(opened), reader_->tally, pod.uid);
    if (!read) return tl::unexpected(read.error());
    const auto identity = learn(*read, space.id, reader_->tally);
    read_spaces_[static_cast<std::size_t>(&pod - snapshot.pods.data())].push_back(
        {identity, space.at});
    const auto now = clock_.steady_now();
    history.observe(identity, now, reader_->tally);
    if (next_reader_) rename_sockets(space, identity, now, namespaces, pod);
    pod.sums.add(reader_->tally.sums());
  }
  find_foreign(pod, snapshot);
  return find_containers(pod, namespaces.cgroups_known, snapshot);
}

/// The next engine's names for what was read of a namespace just now.
void Scanner::rename_sockets(const PodNamespace& space, const NamespaceIdentity& identity,
                             std::chrono::steady_clock::time_point now,
                             const PodNamespaces& namespaces, const PodSnapshot& pod) {
  auto& tally = next_reader_->tally;
  tally.begin_pod(namespaces.cgroups);
  tally.begin_namespace();
  auto& history = histories_.of(pod);
  if (read_namespace(next_reader_, opener_.open(space.at), tally, pod.uid)) {
    history.rename(identity, now, reader_->tally.close_wait(), next_reader_->tally.close_wait(),
                   trust());
  } else {
    history.forget_names();
  }
}

/// What the engine that goes has told is worth.
CloseWaitHistory::Trust Scanner::trust() const {
  return witness_ && witness_->verdict() ? CloseWaitHistory::Trust::kWhatBothSay
                                         : CloseWaitHistory::Trust::kAll;
}

/// Likewise of the host's namespace, for all hostNetwork pods.
void Scanner::rename_host_sockets(const Result<NamespaceLocator>& at,
                                  const NamespaceIdentity& identity,
                                  const std::vector<std::vector<ContainerCgroup>>& cgroups,
                                  const Snapshot& snapshot) {
  next_reader_->host_tally.begin(cgroups);
  auto space = at.and_then([&](const NamespaceLocator& locator) { return opener_.open(locator); });
  const auto read =
      read_namespace(next_reader_, std::move(space), next_reader_->host_tally, "the node");
  for (std::size_t i = 0; i < host_pods_.size(); ++i) {
    auto& history = histories_.of(snapshot.pods[host_pods_[i].place]);
    if (read) {
      history.rename(identity, clock_.steady_now(), reader_->host_tally.pod(i).close_wait(),
                     next_reader_->host_tally.pod(i).close_wait(), trust());
    } else {
      history.forget_names();
    }
  }
}

/// Has inet_diag read a namespace before the engine that is checked reads any.
void Scanner::begin_check(const Node& node, const std::shared_ptr<Snapshot>& snapshot) {
  if (last_ == nullptr) return;
  std::vector<EngineWitness::Candidate> candidates{{"", false}};
  for (const auto& pod : last_->pods) {
    if (pod.visibility != Visibility::kVisible || pod.host_network) continue;
    candidates.push_back({pod.uid, pod.sums.states.of(TcpState::kCloseWait) > 0});
  }
  const auto next = witness_->choose(candidates);
  if (!next) return;
  const CpuMeter meter(*this);
  const auto uid = candidates[*next].uid;
  const auto where = locate(uid, node, snapshot);
  auto before = where ? testify(*where) : fail(ErrorKind::kGone, "the pod has gone");
  check_cpu_ += meter.used();
  if (!before) return witness_->undecided(uid, check_cpu_);
  check_ = Check{std::string(uid),
                 *where,
                 before->id,
                 std::move(before->traffic),
                 CrossCheck{std::move(before->record), NamespaceRecord(), NamespaceRecord()},
                 false};
}

/// One of the pod's namespaces, each in its turn; nullopt when it has none by now.
std::optional<NamespaceLocator> Scanner::locate(std::string_view uid, const Node& node,
                                                const std::shared_ptr<Snapshot>& snapshot) {
  if (uid.empty()) return node.space ? std::optional(*node.at) : std::nullopt;
  const auto pod = std::find_if(snapshot->pods.begin(), snapshot->pods.end(),
                                [&](const PodSnapshot& one) { return one.uid == uid; });
  if (pod == snapshot->pods.end()) return std::nullopt;
  const auto place = static_cast<std::size_t>(pod - snapshot->pods.begin());
  auto found = find_namespaces(place, place + 1, node, snapshot);
  if (!found.front() || found.front()->own.empty()) return std::nullopt;
  // The same one when it is looked at once more.
  const auto& own = found.front()->own;
  return own[witness_->round() % own.size()].at.where;
}

/// And once more afterwards.
void Scanner::end_check() {
  const auto uid = check_->uid;
  if (!check_->done) return witness_->undecided(uid, check_cpu_);
  const CpuMeter meter(*this);
  auto after = testify(check_->where);
  const auto dump = meter.used();
  if (!after || after->id != check_->id) {
    return witness_->undecided(uid, check_cpu_ += meter.used());
  }
  check_->readings.silent = after->traffic.segments == check_->traffic.segments;
  check_->readings.mptcp = after->traffic.mptcp;
  check_->readings.after = std::move(after->record);
  auto contradiction = find_contradiction(check_->readings);
  check_cpu_ += meter.used();
  if (contradiction) contradiction = whose(uid) + ": " + *contradiction;
  witness_->checked(uid, std::move(contradiction), check_cpu_, dump);
}

/// For the log.
std::string Scanner::whose(std::string_view uid) const {
  const auto pod = std::find_if(last_->pods.begin(), last_->pods.end(),
                                [&](const PodSnapshot& one) { return one.uid == uid; });
  return pod == last_->pods.end() ? "the node" : "pod " + pod->pod_namespace + "/" + pod->name;
}

/// By inet_diag. It asks for no ages, so it waits for no socket's lock.
Result<Scanner::Testimony> Scanner::testify(const NamespaceLocator& where) {
  constexpr std::string_view kWhom = "the witness";
  if (guard_.is_stuck(kWhom)) return fail(ErrorKind::kHung, kHangs);
  if (testifying_ == nullptr) {
    auto source = settings_.make_source(Engine::kInetDiag);
    if (!source) return tl::unexpected(source.error());
    testifying_ = std::move(*source);
  }
  auto space = opener_.open(where);
  if (!space) return tl::unexpected(space.error());
  const auto testifying = std::make_shared<Testifying>(testifying_, std::move(*space));
  if (guard_.run([testifying] { testifying->run(); }, go_on_)) return testifying->result();
  guard_.blame(kWhom);
  testifying_.reset();
  return fail(ErrorKind::kHung, kHangs);
}

/// As read_namespace(), for the snapshot.
Result<SocketReading> Scanner::read_checked(const NamespaceId& id, Result<OpenNamespace> space,
                                            RowSink& sink, std::string_view whom) {
  ++namespaces_read_;
  if (!check_ || check_->done || check_->id != id) {
    return read_namespace(reader_, std::move(space), sink, whom);
  }
  Recording both(check_->readings.checked, &sink);
  auto read = read_namespace(reader_, std::move(space), both, whom);
  check_->done = read.has_value();
  return read;
}

/// `sink` is one of the reader's tallies, and is not to be looked at after kHung.
Result<SocketReading> Scanner::read_namespace(std::shared_ptr<Reader>& reader,
                                              Result<OpenNamespace> space, RowSink& sink,
                                              std::string_view whom) {
  if (!space) return tl::unexpected(space.error());
  if (!reader->sockets->may_hang()) {
    return reader->sockets->read(space->fd.get(), {.tcp_info = true}, sink);
  }
  if (guard_.is_stuck(whom)) return fail(ErrorKind::kHung, kHangs);
  const auto reading = std::make_shared<Reading>(reader, std::move(*space), sink);
  if (guard_.run([reading] { reading->run(); }, go_on_)) return reading->result();
  guard_.blame(whom);
  auto another = make_reader(reader->engine);
  if (!another) return tl::unexpected(another.error());
  reader = std::move(*another);
  return fail(ErrorKind::kHung, kHangs);
}

/// What the rows show of the kernel, and what to call the namespace that they are of.
NamespaceIdentity Scanner::learn(const SocketReading& reading, const NamespaceId& id,
                                 const SocketTally& tally) {
  const auto note = [](std::optional<bool>& feature, bool seen) {
    if (seen) feature = true;
    if (!feature) feature = false;
  };
  features_.netns_cookie = reading.namespace_cookie.has_value();
  if (tally.saw_full_socket()) {
    note(features_.cgroup_id, tally.saw_cgroup_id());
    note(features_.tcp_info, tally.saw_tcp_info());
  }
  if (reading.namespace_cookie) return {*reading.namespace_cookie, {}};
  return {0, id};
}

/// What the pod's containers have not made, another's may have.
void Scanner::find_foreign(const PodSnapshot& pod, Snapshot& snapshot) {
  foreign_owners_.find(pod, reader_->tally.pod_close_wait(), guarded_look(snapshot));
}

/// Looks at cgroups in a thread that may be left behind.
ForeignOwners::Run Scanner::guarded_look(Snapshot& snapshot) {
  return [this, &snapshot](std::function<void()> work) {
    constexpr std::string_view kWhom = "the cgroups of all pods";
    if (!guard_.is_stuck(kWhom)) {
      if (guard_.run(std::move(work), go_on_)) return true;
      guard_.blame(kWhom);
    }
    complain(snapshot, ScanStage::kNamespace,
             {ErrorKind::kHung, "looking at the cgroups of all pods hangs"});
    return false;
  };
}

/// Where the kernel names no cgroup, or one that tells nothing as the pod's processes are in
/// cgroups of version 1, their descriptors tell the container.
Result<void> Scanner::find_containers(const PodSnapshot& pod, bool cgroups_known,
                                      Snapshot& snapshot) {
  if (pod.containers.empty() || !settings_.ask_descriptors) return {};
  std::vector<std::uint32_t> inodes;
  const auto sockets = reader_->tally.pod_close_wait();
  for (const auto& socket : sockets) {
    const bool told = socket.cgroup_known() && cgroups_known;
    if (!told && socket.container == kNoContainer && socket.inode != 0) {
      inodes.push_back(socket.inode);
    }
  }
  if (inodes.empty()) return {};
  features_.socket_inode = true;
  const auto owners = find_owners(guard_, owners_, pod, std::move(inodes), go_on_);
  if (!owners) return tl::unexpected(owners.error());
  if (owners->error) complain(snapshot, ScanStage::kNamespace, *owners->error);
  for (auto& socket : sockets) {
    const auto owner = owners->by_inode.find(socket.inode);
    if (owner != owners->by_inode.end()) socket.container = owner->second.container;
  }
  return {};
}

Diagnosis Scanner::diagnosis_of(const Pod& pod, SocketTally& tally) const {
  const auto sockets = tally.pod_close_wait();
  auto diagnosis = diagnose(sockets, pod.containers, settings_.diagnosis);
  foreign_owners_.name(sockets, settings_.diagnosis.stuck_after, diagnosis);
  tally.trim();
  return diagnosis;
}

void Scanner::diagnose_pod(PodSnapshot& pod, const CloseWaitHistory& history,
                           SocketTally& tally) const {
  pod.diagnosis = diagnosis_of(pod, tally);
  pod.diagnosis.entered = history.entered();
  pod.diagnosis.left = history.left();
}

/// The host's namespace, shared out among the hostNetwork pods and the node.
void Scanner::read_node(Node node, Snapshot& snapshot) {
  std::vector<std::vector<ContainerCgroup>> cgroups;
  cgroups.reserve(host_pods_.size());
  for (auto& pod : host_pods_) cgroups.push_back(std::move(pod.cgroups));
  reader_->host_tally.begin(cgroups);
  const auto id = node.space->id;
  const auto read = read_checked(id, std::move(*node.space), reader_->host_tally, "the node");
  auto& tally = reader_->host_tally;
  if (!read) {
    complain(snapshot, stage_of_reading(read.error()), read.error());
    for (const auto& pod : host_pods_) {
      snapshot.pods[pod.place].hide(visibility_after(read.error()), read.error().what);
    }
    return;
  }
  snapshot.node = tally.node().sums().states;
  // Without ids all sockets are in the node's tally, and the pods' zeros would be no true ones. Old
  // kernels say "unknown" of all where cgroup v1's net_cls or net_prio is in use.
  if (tally.saw_cgroup_id()) features_.cgroup_id = true;
  if (!features_.cgroup_id.value_or(false)) return;
  const auto host = learn(*read, id, tally.node());
  for (std::size_t i = 0; i < host_pods_.size(); ++i) {
    share_out(host_pods_[i], snapshot.pods[host_pods_[i].place], host, tally.pod(i));
  }
  if (next_reader_) rename_host_sockets(node.at, host, cgroups, snapshot);
}

void Scanner::share_out(HostPod& shared, PodSnapshot& pod, const NamespaceIdentity& host,
                        SocketTally& tally) {
  auto& history = histories_.of(pod);
  if (!shared.own_sums) history.begin_scan();
  history.observe(host, clock_.steady_now(), tally);
  history.end_scan();
  pod.visibility = Visibility::kVisible;
  pod.detail.clear();
  pod.sums = tally.sums();
  diagnose_pod(pod, history, tally);
  if (!shared.own_sums) return;
  pod.sums.add(*shared.own_sums);
  pod.diagnosis.add(shared.own_diagnosis, settings_.diagnosis.peers);
  add_oldest(pod.diagnosis.sockets, std::move(shared.own_diagnosis.sockets),
             settings_.diagnosis.sockets);
}

/// A pod without a name may be of any namespace: nobody can say that it is not wanted.
bool Scanner::leaves_out(const Pod& pod) const {
  return pod.named && settings_.namespaces.leaves_out(pod.pod_namespace);
}

/// Whatever else the scan has found of them.
void Scanner::leave_out(Snapshot& snapshot) const {
  for (auto& pod : snapshot.pods) {
    if (leaves_out(pod)) pod.hide(Visibility::kExcluded, kExcludedDetail);
  }
}

/// Finds out whose the namespaces are: leaves only owners in `claims_`.
void Scanner::settle_claims(Snapshot& snapshot) {
  std::sort(claims_.begin(), claims_.end());
  for (auto claim = claims_.begin(); claim != claims_.end();) {
    const auto others = std::find_if(
        claim, claims_.end(), [&](const auto& other) { return other.space != claim->space; });
    if (others - claim > 1) settle({claim, others}, snapshot);
    claim = others;
  }
  std::erase_if(claims_, [](const Claim& claim) { return claim.space == NamespaceId{}; });
}

/// A namespace in which several pods stand belongs to the one that is at home there, whoever visits
/// it. Where several are, or none, it belongs to the one that has had it from its beginning. Where
/// that is none either (pods of a node that is itself a container, as those of kind and k3d, are on
/// that node's network), nobody can tell whose the sockets are. Clears the claims of all others.
void Scanner::settle(std::span<Claim> claims, Snapshot& snapshot) {
  const auto visitors =
      std::find_if(claims.begin(), claims.end(), [](const Claim& claim) { return claim.visits; });
  // Those at home come first.
  const auto contending = visitors == claims.begin() ? claims.end() : visitors;
  std::vector<const Pod*> pods;
  for (auto claim = claims.begin(); claim != contending; ++claim) {
    pods.push_back(&snapshot.pods[claim->place]);
  }
  std::optional<std::size_t> owner;
  if (pods.size() == 1) {
    owner = claims.front().place;
  } else if (const auto founder = opener_.founder_of(claims.front().space, pods); !founder) {
    complain(snapshot, ScanStage::kNamespace, founder.error());
  } else if (*founder) {
    owner = claims[**founder].place;
  }
  for (auto claim = claims.begin(); claim != claims.end(); ++claim) {
    if (claim->place == owner) continue;
    const bool only_visits = claim->visits && owner;
    if (claim < contending && !only_visits) take_away(*claim, owner, snapshot);
    *claim = {};
  }
}

/// From a pod that has no other home.
void Scanner::take_away(const Claim& claim, std::optional<std::size_t> owner, Snapshot& snapshot) {
  auto& pod = snapshot.pods[claim.place];
  const auto is_it = [&](const auto& other) { return other.place == claim.place; };
  histories_.of(pod).disown_new();
  std::erase_if(host_pods_, is_it);
  std::erase_if(spread_pods_, is_it);
  pod.host_network = true;
  std::string why = "it shares a network namespace with other pods";
  if (owner) {
    const auto& whose = snapshot.pods[*owner];
    why = "it stands in the network namespace of another pod, " + whose.pod_namespace + "/" +
          whose.name;
  }
  pod.hide(Visibility::kHostNetwork, std::move(why));
}

/// Who does not see the pods' processes does not see the host's init either: what is number 1 here
/// is another's.
void Scanner::hide_node(Snapshot& snapshot) {
  snapshot.node.reset();
  complain(snapshot, ScanStage::kNamespace,
           {ErrorKind::kForeign,
            "the host's processes are outside this PID namespace, so neither pods nor node can be "
            "counted: run with hostPID: true"});
}

/// A count holds for as long as a snapshot is not stale.
void Scanner::record_trends(Snapshot& snapshot) {
  for (auto& pod : snapshot.pods) {
    // A pod of the last snapshot may have gone from a list that became no snapshot.
    auto* const trend = histories_.trend_of(pod);
    if (trend == nullptr) continue;
    const auto sockets = pod.knows(TcpState::kCloseWait)
                             ? std::optional(pod.sums.states.of(TcpState::kCloseWait))
                             : std::nullopt;
    trend->record(snapshot.taken_at_steady, sockets, 3 * snapshot.interval);
    pod.trend = *trend;
  }
}

std::vector<PodSnapshot> Scanner::last_pods_unseen(const Error& error) const {
  if (last_ == nullptr) return {};
  auto pods = last_->pods;
  for (auto& pod : pods) pod.hide(visibility_after(error), error.what);
  return pods;
}

void Scanner::mark_unseen(PodSnapshot& pod, ScanStage stage, const Error& error) {
  // A pod that starts or ends has no process for a moment: nothing is wrong then.
  if (error.kind != ErrorKind::kGone) count(stage);
  pod.hide(visibility_after(error), error.what);
}

void Scanner::complain(Snapshot& snapshot, ScanStage stage, const Error& error) {
  count(stage);
  snapshot.complaints.push_back(std::string(name_of(stage)) + ": " + error.what);
}

}  // namespace closewatch
