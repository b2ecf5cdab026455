// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/kernel_fields.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <bpf/btf.h>

namespace closewatch {
namespace {

/// As in src/kernel/bpf/kernel_types.h, but for what the program asks for before it reads it.
constexpr std::array kWalkedFields = {
    KernelField{"task_struct", "files"},
    KernelField{"files_struct", "fdt"},
    KernelField{"fdtable", "max_fds"},
    KernelField{"fdtable", "fd"},
    KernelField{"file", "f_inode"},
    KernelField{"inode", "i_private"},
    KernelField{"inode", "i_ino"},
    KernelField{"net", "ns"},
    KernelField{"net", "net_cookie"},
    KernelField{"net", "ipv4"},
    KernelField{"ns_common", "inum"},
    KernelField{"netns_ipv4", "tcp_death_row"},
    KernelField{"inet_timewait_death_row", "hashinfo"},
    KernelField{"inet_hashinfo", "ehash"},
    KernelField{"inet_hashinfo", "ehash_mask"},
    KernelField{"inet_hashinfo", "lhash2"},
    KernelField{"inet_hashinfo", "lhash2_mask"},
    KernelField{"inet_ehash_bucket", "chain"},
    KernelField{"inet_listen_hashbucket", "nulls_head"},
    KernelField{"sock_common", "skc_nulls_node"},
    KernelField{"sock_common", "skc_net"},
    KernelField{"sock_common", "skc_state"},
    KernelField{"sock_common", "skc_prot"},
    KernelField{"sock_common", "skc_family"},
    KernelField{"sock_common", "skc_num"},
    KernelField{"sock_common", "skc_dport"},
    KernelField{"sock_common", "skc_daddr"},
    KernelField{"sock_common", "skc_rcv_saddr"},
    KernelField{"sock_common", "skc_v6_daddr"},
    KernelField{"sock_common", "skc_v6_rcv_saddr"},
    KernelField{"inet_timewait_sock", "tw_substate"},
    KernelField{"sock", "sk_socket"},
    KernelField{"sock", "sk_userlocks"},
    KernelField{"sock", "sk_backlog"},
    KernelField{"sock", "sk_wmem_alloc"},
    KernelField{"sock", "sk_ack_backlog"},
    KernelField{"sock", "sk_max_ack_backlog"},
    KernelField{"sock", "sk_cgrp_data"},
    KernelField{"sock_cgroup_data", "cgroup"},
    KernelField{"cgroup", "kn"},
    KernelField{"kernfs_node", "id"},
    KernelField{"socket_alloc", "vfs_inode"},
    KernelField{"tcp_sock", "rcv_nxt"},
    KernelField{"tcp_sock", "copied_seq"},
    KernelField{"tcp_sock", "write_seq"},
    KernelField{"tcp_sock", "snd_una"},
    KernelField{"tcp_sock", "rcv_tstamp"},
};

constexpr std::array kHeldFields = {
    KernelField{"task_struct", "group_leader"},
    KernelField{"task_struct", "thread_pid"},
    KernelField{"task_struct", "comm"},
    KernelField{"pid", "level"},
    KernelField{"pid", "numbers"},
    KernelField{"upid", "nr"},
    KernelField{"file", "f_inode"},
    KernelField{"inode", "i_ino"},
    KernelField{"socket", "sk"},
    KernelField{"sock", "sk_shutdown"},
    KernelField{"sock", "sk_protocol"},
    KernelField{"sock", "sk_userlocks"},
    KernelField{"sock", "sk_max_ack_backlog"},
    KernelField{"sock", "sk_cgrp_data"},
    KernelField{"sock_cgroup_data", "cgroup"},
    KernelField{"cgroup", "kn"},
    KernelField{"kernfs_node", "id"},
    KernelField{"sock_common", "skc_net"},
    KernelField{"sock_common", "skc_state"},
    KernelField{"sock_common", "skc_family"},
    KernelField{"sock_common", "skc_dport"},
    KernelField{"sock_common", "skc_daddr"},
    KernelField{"sock_common", "skc_rcv_saddr"},
    KernelField{"sock_common", "skc_v6_daddr"},
    KernelField{"sock_common", "skc_v6_rcv_saddr"},
    KernelField{"net", "ns"},
    KernelField{"ns_common", "inum"},
    KernelField{"inet_sock", "inet_sport"},
    KernelField{"tcp_sock", "rcv_nxt"},
};

constexpr int kDeepest = 8;  // of anonymous members in each other

std::span<const btf_member> members_of(const btf_type& type) {
  return {btf_members(&type), btf_vlen(&type)};
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the kernel's declarations, at most kDeepest
bool has_field(const btf& types, const btf_type& type, std::string_view name, int depth) {
  for (const auto& member : members_of(type)) {
    const std::string_view found = btf__name_by_offset(&types, member.name_off);
    if (found == name) return true;
    const auto* const inner = btf__type_by_id(&types, member.type);
    if (found.empty() && depth < kDeepest && inner != nullptr && btf_is_composite(inner) &&
        has_field(types, *inner, name, depth + 1)) {
      return true;
    }
  }
  return false;
}

}  // namespace

void KernelTypesCloser::operator()(::btf* types) const { btf__free(types); }

Result<KernelTypes> read_kernel_types(const std::string& file) {
  KernelTypes types(btf__parse(file.c_str(), nullptr));
  if (!types) {
    return fail(ErrorKind::kUnsupported, "the kernel's types (BTF) cannot be read from " + file +
                                             ": " + std::strerror(errno) +
                                             "; it needs CONFIG_DEBUG_INFO_BTF=y");
  }
  return types;
}

std::span<const KernelField> walked_fields() { return kWalkedFields; }

std::span<const KernelField> held_fields() { return kHeldFields; }

Result<void> check_kernel_fields(const btf& types, std::span<const KernelField> fields) {
  for (const auto& [structure, field] : fields) {
    const auto id = btf__find_by_name_kind(&types, structure, BTF_KIND_STRUCT);
    const auto* const type = id > 0 ? btf__type_by_id(&types, static_cast<__u32>(id)) : nullptr;
    if (type == nullptr || !has_field(types, *type, field, 0)) {
      return fail(ErrorKind::kUnsupported, "this kernel has no struct " + std::string(structure) +
                                               "." + field + "; Linux 6.1 to 6.18 are known to");
    }
  }
  return {};
}

}  // namespace closewatch
