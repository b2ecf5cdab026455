#include "closewatch/http/get.h"

#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

TEST(ParseResponse, TakesAWholeAnswer) {
  const auto response = parse_response(
      "HTTP/1.0 404 Not Found\r\nX-Content-Length: 9\r\nContent-LENGTH:  4\r\n"
      "Content-Type: text/plain\r\n\r\na\r\nb");
  ASSERT_TRUE(response) << response.error().what;
  EXPECT_EQ(response->status, 404U);
  EXPECT_EQ(response->content_type, "text/plain");
  EXPECT_EQ(response->body, "a\r\nb");
}

TEST(ParseResponse, RefusesWhatIsNotWhole) {
  for (const auto* const wrong :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n"}) {
    EXPECT_FALSE(parse_response(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace closewatch::http
