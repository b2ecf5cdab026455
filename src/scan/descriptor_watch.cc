#include "closewatch/scan/descriptor_watch.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <utility>

namespace closewatch {
namespace {

bool is_counted(const PodSnapshot& pod) { return pod.visibility == Visibility::kVisible; }

}  // namespace

/// Reads some pods, one after the other. Done by a thread that may be left behind, which then has
/// this to itself: each pod's result is written once, before `next_` says so.
class DescriptorWatch::Batch {
 public:
  Batch(DescriptorReader reader, std::shared_ptr<const Snapshot> pods,
        std::shared_ptr<const ProcessesByNamespace> residents)
      : reader_(std::move(reader)), pods_(std::move(pods)), residents_(std::move(residents)) {}

  void add(std::size_t place, std::shared_ptr<DescriptorLimits> limits) {
    work_.push_back({place, std::move(limits), std::nullopt});
  }
  [[nodiscard]] std::size_t size() const { return work_.size(); }

  void run() {
    static const std::vector<pid_t> nobody;
    for (auto i = next_.load(); i < work_.size() && !left_; next_ = ++i) {
      const auto& pod = pods_->pods[work_[i].place];
      const auto* residents = &nobody;
      if (pod.located && residents_ != nullptr) {
        const auto found = residents_->find(pod.located->id);
        if (found != residents_->end()) residents = &found->second;
      }
      work_[i].result.emplace(reader_.read(pod, *residents, *work_[i].limits));
    }
  }
  /// The first whose result is not there. Those before it are the caller's from now on.
  std::size_t leave() {
    left_ = true;
    return next_;
  }
  [[nodiscard]] std::size_t place(std::size_t i) const { return work_[i].place; }
  [[nodiscard]] const Result<std::vector<DescriptorUse>>& result(std::size_t i) const {
    return *work_[i].result;
  }

 private:
  struct Item {
    std::size_t place;
    std::shared_ptr<DescriptorLimits> limits;
    std::optional<Result<std::vector<DescriptorUse>>> result;
  };

  DescriptorReader reader_;
  std::shared_ptr<const Snapshot> pods_;  ///< of whom nobody changes what is read here
  std::shared_ptr<const ProcessesByNamespace> residents_;
  std::vector<Item> work_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> left_ = false;
};

std::size_t DescriptorWatch::update(const Scan& scan) {
  auto& pods = scan.snapshot->pods;
  const auto began = scan.clock.steady_now();
  const auto cpu_before = scan.clock.thread_cpu() + scan.guard.cpu();
  const bool due = pace_.is_due(began);
  std::vector<std::size_t> wanted;
  for (std::size_t place = 0; place < pods.size(); ++place) {
    const auto* const history = scan.histories.descriptors_of(pods[place]);
    if (history == nullptr || !is_counted(pods[place])) continue;
    if (due || history->is_wanted()) wanted.push_back(place);
  }
  failures_ = 0;
  if (due) error_.reset();
  if (!wanted.empty()) read(scan, wanted);
  for (auto& pod : pods) {
    const auto* const history = scan.histories.descriptors_of(pod);
    if (history != nullptr && is_counted(pod)) pod.descriptors = history->last();
  }
  if (due) pace_.read(began, scan.clock.thread_cpu() + scan.guard.cpu() - cpu_before);
  return failures_;
}

/// Some at once, as changing to the guard's thread for each costs more than reading does.
void DescriptorWatch::read(const Scan& scan, const std::vector<std::size_t>& places) {
  constexpr std::size_t kTogether = 16;
  const auto& pods = scan.snapshot->pods;
  std::shared_ptr<const ProcessesByNamespace> residents;
  if (std::any_of(places.begin(), places.end(),
                  [&](std::size_t place) { return pods[place].located.has_value(); })) {
    residents = find_residents(scan);
  }
  std::span<const std::size_t> left(places);
  while (!left.empty() && scan.go_on()) {
    const auto batch = std::make_shared<Batch>(reader_, scan.snapshot, residents);
    for (; !left.empty() && batch->size() < kTogether; left = left.subspan(1)) {
      const auto& pod = pods[left.front()];
      if (scan.guard.is_stuck(pod.uid) || (pod.located && residents == nullptr)) {
        hang(scan, left.front());
      } else {
        batch->add(left.front(), scan.histories.descriptors_of(pod)->limits());
      }
    }
    if (batch->size() == 0) continue;
    const bool done = scan.guard.run([batch] { batch->run(); }, scan.go_on);
    const auto reached = done ? batch->size() : batch->leave();
    for (std::size_t i = 0; i < reached; ++i) take(scan, batch->place(i), batch->result(i));
    if (done) continue;
    scan.guard.blame(pods[batch->place(reached)].uid);
    hang(scan, batch->place(reached));
    // Those after it have not been begun.
    for (auto i = reached + 1; i < batch->size(); ++i) {
      scan.histories.descriptors_of(pods[batch->place(i)])->want();
    }
  }
}

void DescriptorWatch::take(const Scan& scan, std::size_t place,
                           const Result<std::vector<DescriptorUse>>& uses) {
  const auto& pod = scan.snapshot->pods[place];
  auto& history = *scan.histories.descriptors_of(pod);
  if (uses) return history.observe(scan.clock.steady_now(), pod, *uses);
  history.fail(false);
  fail(pod, uses.error());
}

void DescriptorWatch::hang(const Scan& scan, std::size_t place) {
  const auto& pod = scan.snapshot->pods[place];
  scan.histories.descriptors_of(pod)->fail(true);
  fail(pod, {ErrorKind::kHung, "looking at its processes does not return"});
}

void DescriptorWatch::fail(const PodSnapshot& pod, const Error& error) {
  ++failures_;
  if (error_) return;
  error_ = Error(error.kind, "the descriptors of " + pod.pod_namespace + "/" + pod.name +
                                 ", and perhaps of others, are not counted: " + error.what);
}

std::shared_ptr<const ProcessesByNamespace> DescriptorWatch::find_residents(const Scan& scan) {
  constexpr std::string_view kWhom = "the processes of the machine";
  if (scan.guard.is_stuck(kWhom)) return nullptr;
  struct Search {
    DescriptorReader reader;
    Result<ProcessesByNamespace> found;
  };
  const auto search = std::make_shared<Search>(Search{reader_, ProcessesByNamespace()});
  if (!scan.guard.run([search] { search->found = search->reader.processes_by_namespace(); },
                      scan.go_on)) {
    scan.guard.blame(kWhom);
    return nullptr;
  }
  if (!search->found) return nullptr;
  return std::make_shared<const ProcessesByNamespace>(std::move(*search->found));
}

}  // namespace closewatch
