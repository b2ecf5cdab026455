#include "closewatch/kernel/walk_program.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "socket_walk.skel.h"
#include "socket_walk_by_loads.skel.h"
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "closewatch/kernel/kernel_fields.h"

namespace closewatch {
namespace {

template <typename Skeleton>
struct SkeletonCloser {
  void operator()(Skeleton* skeleton) const { Skeleton::destroy(skeleton); }
};
template <typename Skeleton>
using OwnedSkeleton = std::unique_ptr<Skeleton, SkeletonCloser<Skeleton>>;

struct TypesCloser {
  void operator()(btf* types) const { btf__free(types); }
};

template <typename Skeleton>
class LoadedProgram final : public WalkProgram {
 public:
  explicit LoadedProgram(OwnedSkeleton<Skeleton> skeleton) : skeleton_(std::move(skeleton)) {}

  WalkMemory memory() override {
    auto& shared = *skeleton_->bss;
    return {shared.request, shared.answer,  shared.found_namespace,
            shared.groups,  shared.records, shared.ports};
  }
  Result<void> walk_table() override {
    return run(*skeleton_->progs.walk_table, "walking the kernel's sockets");
  }
  Result<void> identify_namespace() override {
    return run(*skeleton_->progs.identify_namespace, "identifying a network namespace");
  }

 private:
  static Result<void> run(const bpf_program& program, std::string_view doing) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    const auto error = bpf_prog_test_run_opts(bpf_program__fd(&program), &options);
    if (error < 0) return fail_errno(-error, doing);
    return {};
  }

  OwnedSkeleton<Skeleton> skeleton_;
};

/// Whether the kernel has the function that reading by loads takes. A program that names another is
/// not loaded, though it calls it nowhere: without CAP_SYS_ADMIN libbpf cannot look for it in
/// modules.
///
/// The types are some 10 MB, and libbpf is to read them once more: they do not outlive this.
Result<bool> check_kernel(const std::string& btf) {
  const std::unique_ptr<::btf, TypesCloser> types(btf__parse(btf.c_str(), nullptr));
  if (!types) {
    return fail(ErrorKind::kUnsupported, "the kernel's types (BTF) cannot be read from " + btf +
                                             ": " + std::strerror(errno) +
                                             "; it needs CONFIG_DEBUG_INFO_BTF=y");
  }
  if (auto known = check_kernel_fields(*types); !known) return tl::unexpected(known.error());
  return btf__find_by_name_kind(types.get(), "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
}

template <typename Skeleton>
Result<std::unique_ptr<WalkProgram>> load(const std::string& btf) {
  std::array<char, std::size_t{64} << 10U> verifier{};
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  // libbpf reads the kernel's own anyway, for what the program calls; not twice, for they are
  // large.
  if (btf != kKernelTypes) options.btf_custom_path = btf.c_str();
  options.kernel_log_buf = verifier.data();
  options.kernel_log_size = verifier.size();
  OwnedSkeleton<Skeleton> skeleton(Skeleton::open(&options));
  if (!skeleton) return fail_errno(errno, "opening the program that walks the kernel's sockets");
  if (const auto error = Skeleton::load(skeleton.get()); error != 0) {
    // 0 is a sure no, while a probe that fails for want of a privilege is not.
    const bool has_loop =
        libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_loop, nullptr) != 0;
    return tl::unexpected(load_refusal(-error, has_loop, verifier.data()));
  }
  return std::make_unique<LoadedProgram<Skeleton>>(std::move(skeleton));
}

}  // namespace

Error load_refusal(int error_number, bool has_loop, std::string_view verifier) {
  // The verifier's refusals are EACCES as well, but those have something to say.
  if (error_number == EPERM || (error_number == EACCES && verifier.empty())) {
    return {
        ErrorKind::kDenied,
        "the kernel lets this process load no program: CAP_BPF or CAP_PERFMON is missing; add BPF "
        "and PERFMON to the container's capabilities, or run as root"};
  }
  if (!has_loop) {
    return {ErrorKind::kUnsupported, "this kernel has no bpf_loop(): it needs Linux 5.17"};
  }
  auto what = std::string("the kernel refuses the program: ") + std::strerror(error_number);
  // Its last line but one tells what it did not like, the last how long it took.
  const auto end = verifier.rfind("\nprocessed ");
  if (end != std::string_view::npos) {
    const auto begin = verifier.rfind('\n', end - 1);
    what += ": " + std::string(verifier.substr(begin + 1, end - begin - 1));
  }
  return {ErrorKind::kUnsupported, std::move(what)};
}

Result<std::unique_ptr<WalkProgram>> load_walk_program(const std::string& btf, WalkReads reads) {
  // What libbpf has to say comes back as an Error.
  libbpf_set_print(nullptr);
  const auto has_cast = check_kernel(btf);
  if (!has_cast) return tl::unexpected(has_cast.error());
  if (reads == WalkReads::kByLoads && !*has_cast) {
    return fail(ErrorKind::kUnsupported,
                "this kernel has no bpf_rdonly_cast(): it needs Linux 6.2");
  }
  if (*has_cast && reads != WalkReads::kByHelper) {
    // Whether this program may call it is nowhere to be asked.
    auto program = load<socket_walk_by_loads_bpf>(btf);
    if (program || reads == WalkReads::kByLoads) return program;
  }
  return load<socket_walk_bpf>(btf);
}

}  // namespace closewatch
