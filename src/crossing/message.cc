// SPDX-License-Identifier: Apache-2.0
#include "crossing/message.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "closewatch/kubernetes/object_name.h"
#include "crossing/packing.h"

namespace closewatch::crossing {

template <>
struct EnumSize<ErrorKind>
    : std::integral_constant<std::size_t, static_cast<std::size_t>(ErrorKind::kSystem) + 1> {};

namespace {

/// A sentence for the log, as the API server's is bounded.
constexpr std::size_t kLongestSentence = 8192;

/// An Error's parts. That is printable whatever it is made of.
struct Trouble {
  ErrorKind kind = ErrorKind::kSystem;
  std::string what;
};

/// One of SocketOwnerList::by_inode.
struct Holder {
  std::uint32_t inode = 0;
  SocketOwner owner;
};

std::optional<Trouble> trouble_of(const Error& error) {
  return Trouble{error.kind, error.what.substr(0, kLongestSentence)};
}

template <typename Archive, typename T>
requires std::is_same_v<std::remove_const_t<T>, Trouble>
void fields(Archive& archive, T& trouble) { archive(trouble.kind, trouble.what); }

template <typename Archive, typename T>
requires std::is_same_v<std::remove_const_t<T>, Holder>
void fields(Archive& archive, T& holder) {
  archive(holder.inode, holder.owner.pid, holder.owner.comm, holder.owner.container);
}

bool is_name_or_empty(const std::string& text) { return text.empty() || is_object_name(text); }

bool is_proper(const PodObject& pod) {
  const auto& [space, name, kind, workload] = pod.metadata;
  return is_object_name(pod.uid) && is_name_or_empty(pod.config_hash) && is_object_name(space) &&
         is_object_name(name) && is_name_or_empty(kind) && is_name_or_empty(workload);
}

tl::unexpected<Error> refuse(const char* what) {
  return fail(ErrorKind::kMalformed, std::string("bytes that are no ") + what);
}

}  // namespace

template <typename Archive, typename T>
requires std::is_same_v<std::remove_const_t<T>, ProcessStats>
void fields(Archive& archive, T& stats) {
  archive(stats.cpu_seconds, stats.open_fds, stats.max_fds, stats.virtual_bytes,
          stats.resident_bytes, stats.shared_bytes);
}

template <typename Archive, typename T>
requires std::is_same_v<std::remove_const_t<T>, PodObject>
void fields(Archive& archive, T& pod) {
  archive(pod.uid, pod.config_hash, pod.metadata.pod_namespace, pod.metadata.name,
          pod.metadata.workload_kind, pod.metadata.workload);
}

std::string pack(const Pulse& pulse) {
  Packer packer;
  packer(pulse.alive, pulse.scanner, pulse.network);
  return std::move(packer).bytes();
}

Result<Pulse> unpack_pulse(std::string_view bytes) {
  Unpacker unpacker(bytes);
  Pulse pulse;
  unpacker(pulse.alive, pulse.scanner, pulse.network);
  if (!unpacker.is_done()) return refuse("pulse");
  return pulse;
}

std::string pack(const Names& names) {
  Packer packer;
  packer(names.pods, names.state ? std::nullopt : trouble_of(names.state.error()));
  return std::move(packer).bytes();
}

Result<Names> unpack_names(std::string_view bytes) {
  Unpacker unpacker(bytes);
  Names names;
  std::optional<Trouble> trouble;
  unpacker(names.pods, trouble);
  const bool is_right = unpacker.is_done() && names.pods.size() <= kMostPods &&
                        std::all_of(names.pods.begin(), names.pods.end(), is_proper) &&
                        (!trouble || trouble->what.size() <= kLongestSentence);
  if (!is_right) return refuse("names of pods");
  if (trouble) names.state = fail(trouble->kind, std::move(trouble->what));
  return names;
}

std::string pack(const WhoHolds& question) {
  Packer packer;
  packer(question.number, question.uid, question.inodes);
  return std::move(packer).bytes();
}

Result<WhoHolds> unpack_who_holds(std::string_view bytes) {
  Unpacker unpacker(bytes);
  WhoHolds question;
  unpacker(question.number, question.uid, question.inodes);
  if (!unpacker.is_done() || question.inodes.size() > kMostInodes) return refuse("question");
  return question;
}

std::string pack(const Holders& holders) {
  std::vector<Holder> list;
  for (const auto& [inode, owner] : holders.list.by_inode) list.push_back({inode, owner});
  Packer packer;
  packer(holders.number, list, holders.list.error ? trouble_of(*holders.list.error) : std::nullopt);
  return std::move(packer).bytes();
}

Result<Holders> unpack_holders(std::string_view bytes) {
  Unpacker unpacker(bytes);
  Holders holders;
  std::vector<Holder> list;
  std::optional<Trouble> trouble;
  unpacker(holders.number, list, trouble);
  if (!unpacker.is_done()) return refuse("answer");
  for (auto& [inode, owner] : list) holders.list.by_inode.emplace(inode, std::move(owner));
  if (trouble) holders.list.error = Error{trouble->kind, std::move(trouble->what)};
  return holders;
}

}  // namespace closewatch::crossing
