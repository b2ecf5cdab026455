// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kernel/kernel_fields.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <bpf/btf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch {
namespace {

using ::testing::HasSubstr;

struct Closer {
  void operator()(btf* types) const { btf__free(types); }
};
using Types = std::unique_ptr<btf, Closer>;

/// Those of both programs.
std::vector<KernelField> all_fields() {
  std::vector<KernelField> fields;
  for (const auto known : {walked_fields(), held_fields()}) {
    fields.insert(fields.end(), known.begin(), known.end());
  }
  return fields;
}

enum class Missing : std::uint8_t { kGone, kWithinAUnion };

/// The types of a kernel that has all fields, but one not where the others are.
Types kernel(const KernelField& special, Missing how) {
  Types types(btf__new_empty());
  const auto number = btf__add_int(types.get(), "int", 4, BTF_INT_SIGNED);
  const auto anonymous = btf__add_union(types.get(), nullptr, 4);
  btf__add_field(types.get(), special.field, number, 0, 0);
  std::map<std::string, std::set<std::string>> fields;
  for (const auto& known : all_fields()) fields[known.structure].insert(known.field);
  for (const auto& [name, members] : fields) {
    btf__add_struct(types.get(), name.c_str(), 64);
    for (const auto& member : members) {
      if (name != special.structure || member != special.field) {
        btf__add_field(types.get(), member.c_str(), number, 0, 0);
      } else if (how == Missing::kWithinAUnion) {
        btf__add_field(types.get(), nullptr, anonymous, 0, 0);
      }
    }
  }
  return types;
}

TEST(KernelFields, EachThatIsMissingIsNamed) {
  for (const auto& field : all_fields()) {
    const auto checked = check_kernel_fields(*kernel(field, Missing::kGone), all_fields());
    ASSERT_FALSE(checked) << field.structure << "." << field.field;
    EXPECT_EQ(checked.error().kind, ErrorKind::kUnsupported);
    EXPECT_THAT(checked.error().what, HasSubstr(std::string(field.structure) + "." + field.field));
  }
}

TEST(KernelFields, OfAnAnonymousMemberCount) {
  for (const auto& field : all_fields()) {
    EXPECT_TRUE(check_kernel_fields(*kernel(field, Missing::kWithinAUnion), all_fields()));
  }
}

}  // namespace
}  // namespace closewatch
