// SPDX-License-Identifier: Apache-2.0
#include "closewatch/bpf/load_refusal.h"

#include <cerrno>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// As libbpf 1.1 and Linux 6.18 wrote them.

std::string verified(const std::string& log) {
  return "libbpf: prog 'walk_table': BPF program load failed: Invalid argument\n"
         "libbpf: prog 'walk_table': -- BEGIN PROG LOAD LOG --\n"
         "0: R1=ctx() R10=fp0\n" +
         log +
         "processed 4 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0\n"
         "-- END PROG LOAD LOG --\n"
         "libbpf: prog 'walk_table': failed to load: -22\n"
         "libbpf: failed to load object 'socket_walk'\n";
}

constexpr const char* kUnresolved =
    "290: <invalid CO-RE relocation>\n"
    "failed to resolve CO-RE relocation <byte_off> [47] struct sock_common.skc_nulls_node (0:10 @ "
    "offset 64)\n";

TEST(LoadRefusal, NamesTheCapability) {
  const std::string probing =
      "libbpf: Error in bpf_object__probe_loading():Operation not permitted(1). Couldn't load "
      "trivial BPF program. Make sure your kernel supports BPF (CONFIG_BPF_SYSCALL=y)\n";
  for (const auto& error : {load_refusal(EPERM, probing), load_refusal(EACCES, "")}) {
    EXPECT_EQ(error.kind, ErrorKind::kDenied);
    EXPECT_THAT(error.what, AllOf(HasSubstr("CAP_BPF"), HasSubstr("CAP_PERFMON")));
  }
}

TEST(LoadRefusal, NamesTheFieldThatTheKernelLacks) {
  const auto error = load_refusal(EINVAL, verified(kUnresolved));
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_EQ(error.what, "this kernel has no struct sock_common.skc_nulls_node");
}

TEST(LoadRefusal, TellsACompilersFaultFromAKernelThatLacksAField) {
  const auto error = load_refusal(
      EINVAL,
      "libbpf: prog 'follow': relo #10: insn #32 (LDX/ST/STX) accesses field incorrectly. Make "
      "sure you are accessing pointers, unsigned integers, or fields of matching type and size.\n" +
          verified(kUnresolved));
  EXPECT_THAT(error.what,
              AllOf(HasSubstr("compiler"), HasSubstr("struct sock_common.skc_nulls_node"),
                    Not(HasSubstr("has no"))));
}

TEST(LoadRefusal, NamesTheHelperThatTheKernelLacks) {
  // Until 6.9 "unknown func", later "invalid func" and "program of this type cannot use helper".
  for (const auto* const line : {"invalid func unknown#181\n", "unknown func bpf_loop#181\n"}) {
    const auto error = load_refusal(EINVAL, verified(line));
    EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
    EXPECT_EQ(error.what, "this kernel has no bpf_loop(), which is of Linux 5.17");
  }
  EXPECT_EQ(load_refusal(EINVAL, verified("invalid func unknown#9999\n")).what,
            "this kernel has no helper unknown#9999");
  EXPECT_EQ(
      load_refusal(EINVAL, verified("program of this type cannot use helper bpf_jiffies64#118\n"))
          .what,
      "this kernel lets no program of this kind call bpf_jiffies64(), which is of Linux 5.6");
}

TEST(LoadRefusal, NamesTheFunctionThatTheKernelLacks) {
  EXPECT_EQ(load_refusal(EINVAL,
                         "libbpf: extern (func ksym) 'bpf_rdonly_cast': not found in kernel or "
                         "module BTFs\nlibbpf: failed to load object 'socket_walk'\n")
                .what,
            "this kernel has no function bpf_rdonly_cast()");
  EXPECT_THAT(load_refusal(EINVAL,
                           "libbpf: extern (func ksym) 'bpf_rdonly_cast': func_proto [5] "
                           "incompatible with kernel [48526]\n")
                  .what,
              HasSubstr("bpf_rdonly_cast() takes other arguments"));
  EXPECT_EQ(
      load_refusal(EACCES, verified("calling kernel function bpf_rdonly_cast is not allowed\n"))
          .what,
      "this kernel lets no program of this kind call bpf_rdonly_cast()");
}

TEST(LoadRefusal, CarriesWhatTheVerifierDidNotLikeAndWhere) {
  const auto error = load_refusal(
      EACCES, verified("3: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access 'scalar'\n"));
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_EQ(error.what,
            "the kernel refuses the program's part walk_table: R1 invalid mem access 'scalar'");
}

TEST(LoadRefusal, CarriesWhatLibbpfSaidWhereNothingWasVerified) {
  EXPECT_EQ(load_refusal(ENOMEM,
                         "libbpf: map '.bss': failed to create: Cannot allocate memory(-12)\n"
                         "libbpf: failed to load object 'socket_walk'\n")
                .what,
            "libbpf cannot load the program: map '.bss': failed to create: Cannot allocate "
            "memory(-12)");
}

TEST(LoadRefusal, HasAnErrorForALogThatIsCutOrEmpty) {
  EXPECT_EQ(load_refusal(ENOSPC, "").what,
            "the kernel refuses the program: No space left on device");
  const auto whole =
      "libbpf: prog 'follow': relo #10: insn #32 (LDX/ST/STX) accesses field "
      "incorrectly.\nlibbpf: extern (func ksym) 'x': not found\n" +
      verified(kUnresolved) + verified("invalid func unknown#181\n") +
      verified("program of this type cannot use helper x#1\n");
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    EXPECT_FALSE(load_refusal(EINVAL, whole.substr(0, length)).what.empty()) << length;
    EXPECT_FALSE(load_refusal(EINVAL, whole.substr(length)).what.empty()) << length;
  }
}

}  // namespace
}  // namespace closewatch
