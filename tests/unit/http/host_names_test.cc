// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/host_names.h"

#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

TEST(HostNames, AllowWhatNoOtherSiteIsCalled) {
  const HostNames names;
  for (const auto* const host :
       {"10.0.0.1", "10.0.0.1:10088", "[::1]:10088", "[fd00::7]", "localhost", "localhost:8080",
        "LOCALHOST.", "a.localhost", "closewatch-x7k2p:10088", "node_1",
        "closewatch.monitoring.svc:10088", "closewatch.monitoring.svc.cluster.local."}) {
    EXPECT_TRUE(names.allow(host)) << host;
  }
  for (const auto* const host : {"evil.example",
                                 "evil.example:10088",
                                 "10.0.0.1.evil.example",
                                 "localhost.evil.example",
                                 "svc.evil.example",
                                 "a.svc.evil.example",
                                 "evilsvc.example",
                                 "1.2.3.4.5",
                                 "a@10.0.0.1",
                                 "",
                                 ":80",
                                 "..",
                                 ".svc",
                                 "10.0.0.1/x",
                                 "a b",
                                 "%31",
                                 "[::1",
                                 "::1",
                                 "evil.example.",
                                 "a..svc"}) {
    EXPECT_FALSE(names.allow(host)) << host;
  }
}

TEST(HostNames, AllowWhatTheyAreGiven) {
  auto names = HostNames::parse("closewatch.corp.example, *.nodes.example");
  ASSERT_TRUE(names) << names.error().what;
  names->add("Node-1.Internal.Example");
  names->add("not a name");
  for (const auto* const host :
       {"closewatch.corp.example:443", "CLOSEWATCH.corp.example.", "n1.nodes.example",
        "a.b.nodes.example", "node-1.internal.example"}) {
    EXPECT_TRUE(names->allow(host)) << host;
  }
  for (const auto* const host : {"corp.example", "x.closewatch.corp.example", "nodes.example",
                                 "xnodes.example", "node-1.internal.example.evil.example"}) {
    EXPECT_FALSE(names->allow(host)) << host;
  }
}

TEST(HostNames, AreNamesAlone) {
  EXPECT_TRUE(HostNames::parse(""));
  for (const auto* const list :
       {"a:80", "http://a", "*", "*.", "a..b", "a,,b", "a/b", "*.*.a", "a*"}) {
    EXPECT_FALSE(HostNames::parse(list)) << list;
  }
}

}  // namespace
}  // namespace closewatch::http
