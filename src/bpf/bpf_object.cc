// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "closewatch/bpf/bpf_object.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

namespace closewatch {
namespace {

constexpr const char* kVariables = ".bss";

/// Where libbpf's words of this thread go: it knows one function for all, and gives it no context.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
thread_local std::string* words_of_this_thread = nullptr;

/// Collects what libbpf says in this thread, for as long as it lives.
class LibbpfWords {
 public:
  explicit LibbpfWords(std::string& words) {
    words_of_this_thread = &words;
    libbpf_set_print(&hear);
  }
  LibbpfWords(const LibbpfWords&) = delete;
  LibbpfWords& operator=(const LibbpfWords&) = delete;
  ~LibbpfWords() { words_of_this_thread = nullptr; }

 private:
  [[gnu::format(printf, 2, 0)]] static int hear(libbpf_print_level level, const char* format,
                                                va_list arguments) {
    auto* const words = words_of_this_thread;
    if (words == nullptr || level == LIBBPF_DEBUG) return 0;
    va_list again;
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0) return 0;
    const auto begin = words->size();
    const auto size = static_cast<std::size_t>(length) + 1;  // with its zero
    words->resize(begin + size);
    (void)std::vsnprintf(words->data() + begin, size, format, arguments);
    words->pop_back();
    return 0;
  }
};

std::size_t whole_pages(std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

/// Where libbpf put the variable `name` in the section, once it has read the object file.
std::optional<btf_var_secinfo> place_of(const btf& types, const std::string& name) {
  const auto id = btf__find_by_name_kind(&types, kVariables, BTF_KIND_DATASEC);
  if (id < 0) return std::nullopt;
  const auto* const section = btf__type_by_id(&types, static_cast<__u32>(id));
  for (const auto& place : std::span(btf_var_secinfos(section), btf_vlen(section))) {
    const auto* const variable = btf__type_by_id(&types, place.type);
    if (name == btf__name_by_offset(&types, variable->name_off)) return place;
  }
  return std::nullopt;
}

}  // namespace

void BpfObject::Closer::operator()(bpf_object* object) const { bpf_object__close(object); }

void BpfObject::Unmapper::operator()(std::byte* memory) const { ::munmap(memory, size); }

tl::expected<BpfObject, BpfRefusal> BpfObject::load(std::span<const std::byte> elf,
                                                    const std::string& btf) {
  BpfRefusal refusal;
  const auto refused = [&](int error_number) {
    refusal.error_number = error_number;
    return tl::unexpected(std::move(refusal));
  };
  const LibbpfWords words(refusal.log);
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  if (!btf.empty()) options.btf_custom_path = btf.c_str();
  Owned object(bpf_object__open_mem(elf.data(), elf.size(), &options));
  if (!object) return refused(errno);
  if (const auto error = bpf_object__load(object.get()); error != 0) return refused(-error);

  auto* const map = bpf_object__find_map_by_name(object.get(), kVariables);
  if (map == nullptr) return refused(ENOENT);
  const auto size = whole_pages(bpf_map__value_size(map));
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (memory == MAP_FAILED) return refused(errno);  // NOLINT(performance-no-int-to-ptr)
  return BpfObject(std::move(object), std::unique_ptr<std::byte, Unmapper>(
                                          static_cast<std::byte*>(memory), Unmapper{size}));
}

Result<std::byte*> BpfObject::bytes_of(const std::string& name, std::size_t size) const {
  const auto place = place_of(*bpf_object__btf(object_.get()), name);
  if (!place) return fail(ErrorKind::kMalformed, "the bpf program has no variable " + name);
  if (place->size != size) {
    return fail(ErrorKind::kMalformed, "the bpf program's variable " + name + " has " +
                                           std::to_string(place->size) + " bytes, not " +
                                           std::to_string(size));
  }
  return variables_.get() + place->offset;
}

Result<void> BpfObject::run(const std::string& name, std::string_view doing) const {
  const auto* const program = bpf_object__find_program_by_name(object_.get(), name.c_str());
  if (program == nullptr) return fail(ErrorKind::kMalformed, "there is no bpf program " + name);
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  const auto error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
  if (error < 0) return fail_errno(-error, doing);
  return {};
}

Result<UniqueFd> BpfObject::iterate(const std::string& name, std::string_view doing) const {
  const auto* const program = bpf_object__find_program_by_name(object_.get(), name.c_str());
  if (program == nullptr) return fail(ErrorKind::kMalformed, "there is no bpf program " + name);
  // What the kernel calls the link of an iterator says what to go through; it attaches to nothing.
  const UniqueFd link(bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, nullptr));
  if (!link.valid()) return fail_errno(errno, doing);
  UniqueFd iteration(bpf_iter_create(link.get()));
  if (!iteration.valid()) return fail_errno(errno, doing);
  return iteration;
}

}  // namespace closewatch
