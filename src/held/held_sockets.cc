// SPDX-License-Identifier: Apache-2.0
#include "closewatch/held/held_sockets.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "held_sockets.object.h"

#include "closewatch/bpf/bpf_object.h"
#include "closewatch/bpf/load_refusal.h"
#include "closewatch/kernel/kernel_fields.h"
#include "held/held_records.h"

namespace closewatch {
namespace {

class BpfHeldSockets final : public HeldSocketSource {
 public:
  explicit BpfHeldSockets(BpfObject object) : object_(std::move(object)) {}

  Result<std::vector<HeldSocket>> read() override {
    auto told = object_.iterate("tell_held", "going through all open files");
    if (!told) return tl::unexpected(told.error());
    HeldRecords records;
    std::array<std::byte, 32'768> piece{};  // what the kernel has room for at once
    for (unsigned nothing = 0;;) {
      const auto got = ::read(told->get(), piece.data(), piece.size());
      if (got == 0) return std::move(records).result();
      // Among a million files there was nothing to tell (bpf_seq_read() in kernel/bpf/bpf_iter.c).
      const bool again = got < 0 && (errno == EAGAIN || errno == EINTR);
      if (again && ++nothing < kMostPauses) continue;
      if (got < 0) return fail_errno(errno, "going through all open files");
      const auto size = static_cast<std::size_t>(got);
      if (auto taken = records.take(Bytes(piece).first(size)); !taken) {
        return tl::unexpected(taken.error());
      }
    }
  }

 private:
  static constexpr unsigned kMostPauses = 1000;

  BpfObject object_;
};

}  // namespace

Result<std::unique_ptr<HeldSocketSource>> make_held_socket_source(
    std::vector<std::string>& details) {
  {
    const auto types = read_kernel_types();
    if (!types) return tl::unexpected(types.error());
    if (auto known = check_kernel_fields(**types, held_fields()); !known) {
      return tl::unexpected(known.error());
    }
  }
  auto object = BpfObject::load(held_sockets_object(), "");
  if (!object) {
    details.push_back("the program that looks for held sockets was refused:\n" +
                      object.error().log);
    return tl::unexpected(load_refusal(object.error().error_number, object.error().log));
  }
  return std::make_unique<BpfHeldSockets>(std::move(*object));
}

}  // namespace closewatch
