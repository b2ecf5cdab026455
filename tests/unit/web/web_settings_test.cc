// SPDX-License-Identifier: Apache-2.0
#include "web/web_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "web/basic_credentials.h"
#include "web/go_duration.h"
#include "web/token_bucket.h"

namespace closewatch::web {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

// tests/web_config has what is right and what is wrong, each beside promtool's verdict.
TEST(WebSettings, AreWhatTheFileSays) {
  const auto parsed = parse_web_settings(
      "tls_server_config:\n  cert_file: a.crt\n  key_file: /b.key\n  client_allowed_sans: [x, y]\n"
      "  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]\n"
      "  prefer_server_cipher_suites: no\n  curve_preferences: [X25519, CurveP521]\n"
      "http_server_config: {headers: {X-Frame-Options: deny}}\n"
      "rate_limit: {interval: 100ms, burst: 7}\n",
      "/etc/web.yml");
  EXPECT_THAT(parsed.mistakes, IsEmpty());
  const auto& [tls, headers, users, limit] = parsed.settings;
  EXPECT_EQ(tls.certificate.file, "/etc/a.crt");
  EXPECT_EQ(tls.key.file, "/b.key");
  EXPECT_THAT(tls.client_allowed_sans, Optional(ElementsAre("x", "y")));
  EXPECT_THAT(tls.ciphers, Optional(ElementsAre("AES128-SHA")));
  EXPECT_FALSE(tls.prefers_own_ciphers);
  EXPECT_THAT(tls.curves, ElementsAre("X25519", "P-521"));
  EXPECT_THAT(headers, ElementsAre(testing::Pair("X-Frame-Options", "deny")));
  EXPECT_THAT(users, IsEmpty());
  EXPECT_EQ(limit.interval, 100ms);
  EXPECT_EQ(limit.burst, 7);
}

TEST(WebSettings, HaveALineForEachMistake) {
  const auto parsed = parse_web_settings("a: 1\nrate_limit:\n  burst: x\n  b: 2\n", "w.yml");
  EXPECT_THAT(parsed.mistakes, ElementsAre(HasSubstr("w.yml:1: a: unknown key"),
                                           HasSubstr("w.yml:3: rate_limit.burst: must be"),
                                           HasSubstr("w.yml:4: rate_limit.b: unknown key")));
}

TEST(WebSettings, SurviveWhatOnlyAnEnemyWouldWrite) {
  for (const auto& text :
       {std::string(100'000, '['), std::string(100'000, '{'), std::string("? {a: [b, {c: d}]}: 1"),
        std::string("a: &a [*a]"), std::string("\0\1\2", 3), std::string("\xff\xfe")}) {
    (void)parse_web_settings(text, "w.yml");
  }
}

TEST(GoDuration, IsReadAsGoReadsIt) {
  EXPECT_EQ(parse_go_duration("1s"), 1s);
  EXPECT_EQ(parse_go_duration("1h2m3.5s"), 1h + 2min + 3500ms);
  EXPECT_EQ(parse_go_duration("-1.5ms"), -1500us);
  EXPECT_EQ(parse_go_duration("+10us"), 10us);
  EXPECT_EQ(parse_go_duration("\u00b5s"), std::nullopt);
  EXPECT_EQ(parse_go_duration("2\u00b5s"), 2us);
  EXPECT_EQ(parse_go_duration(".5s"), 500ms);
  EXPECT_EQ(parse_go_duration("0"), 0s);
  for (const auto* const wrong : {"", "-", "1", "s", "1x", "1s2", " 1s", "1 s", "1e3s", "nans",
                                  "infs", "9999999999h", "--1s"}) {
    EXPECT_EQ(parse_go_duration(wrong), std::nullopt) << wrong;
  }
}

TEST(BasicCredentials, AreUserAndPassword) {
  const auto of = [](std::string_view header) {
    const auto found = BasicCredentials::parse(header);
    return found ? found->user + "|" + found->password : "none";
  };
  EXPECT_EQ(of("Basic YTpi"), "a|b");
  EXPECT_EQ(of("bAsIc   YTpi"), "a|b");
  EXPECT_EQ(of("Basic YTpiOmM="), "a|b:c");
  EXPECT_EQ(of("Basic Og=="), "|");
  for (const auto* const wrong : {"", "Basic", "Basic ", "Basic YWI=", "Basic YTp", "Basic YT pi",
                                  "Basic ====", "Basic Y===", "Basic =Tpi", "Bearer YTpi",
                                  "BasicYTpi", "Basic !!!!", "Basic YTpi\t\t\t\t"}) {
    EXPECT_EQ(of(wrong), "none") << wrong;
  }
}

TEST(TokenBucket, LetsInABurstAndThenOneAnInterval) {
  const TokenBucket::Time start{};
  TokenBucket bucket({100ms, 2}, start);
  EXPECT_TRUE(bucket.take(start));
  EXPECT_TRUE(bucket.take(start));
  EXPECT_FALSE(bucket.take(start));
  EXPECT_FALSE(bucket.take(start + 99ms));
  EXPECT_TRUE(bucket.take(start + 101ms));
  EXPECT_TRUE(bucket.take(start + 1h));
  EXPECT_TRUE(bucket.take(start + 1h));
  EXPECT_FALSE(bucket.take(start + 1h)) << "no more than the burst is kept";
}

TEST(TokenBucket, LetsInAllWithoutAnInterval) {
  TokenBucket bucket({0ms, 0}, {});
  EXPECT_TRUE(bucket.take({}));
  EXPECT_TRUE(bucket.take({}));
}

}  // namespace
}  // namespace closewatch::web
