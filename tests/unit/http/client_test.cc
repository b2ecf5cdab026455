// SPDX-License-Identifier: Apache-2.0
#include "closewatch/http/client.h"

#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace closewatch::http {
namespace {

using boost::asio::ip::tcp;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{5};

/// Accepts one connection, answers each request on it with the next of `answers`, then closes it.
class FakeServer {
 public:
  explicit FakeServer(std::vector<std::string> answers)
      : acceptor_(context_, {boost::asio::ip::make_address("127.0.0.1"), 0}),
        address_{"127.0.0.1", acceptor_.local_endpoint().port()},
        thread_([this, answers = std::move(answers)] { serve(answers); }) {}
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  ~FakeServer() { thread_.join(); }

  [[nodiscard]] const ListenAddress& address() const { return address_; }
  /// All that was asked; once the client has its answers.
  [[nodiscard]] const std::string& asked() const { return asked_; }

 private:
  void serve(const std::vector<std::string>& answers) {
    auto socket = acceptor_.accept();
    boost::system::error_code error;
    for (const auto& answer : answers) {
      std::string request;
      boost::asio::read_until(socket, boost::asio::dynamic_buffer(request), "\r\n\r\n", error);
      asked_ += request;
      boost::asio::write(socket, boost::asio::buffer(answer), error);
    }
  }

  boost::asio::io_context context_;
  tcp::acceptor acceptor_;
  ListenAddress address_;
  std::string asked_;
  std::thread thread_;
};

TEST(HttpGet, TakesAWholeAnswer) {
  const FakeServer server(
      {"HTTP/1.1 404 Not Found\r\nX-Content-Length: 9\r\nContent-LENGTH:  4\r\n"
       "Content-Type: text/plain\r\n\r\na\r\nb"});
  const auto response = get(server.address(), "/a?b", kPatience);
  ASSERT_TRUE(response) << response.error().what;
  EXPECT_EQ(response->status, 404U);
  EXPECT_EQ(response->content_type, "text/plain");
  EXPECT_EQ(response->body, "a\r\nb");
  EXPECT_THAT(server.asked(), AllOf(HasSubstr("GET /a?b HTTP/1.1\r\n"), HasSubstr("\r\nHost: ")));
}

TEST(HttpGet, TakesAnAnswerThatEndsTheConnection) {
  const FakeServer server({"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"});
  const auto response = get(server.address(), "/", kPatience);
  ASSERT_TRUE(response) << response.error().what;
  EXPECT_EQ(response->body, "ok");
}

TEST(HttpGet, RefusesWhatIsNotWhole) {
  for (const auto* const wrong :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n"}) {
    const FakeServer server({wrong});
    EXPECT_FALSE(get(server.address(), "/", kPatience)) << wrong;
  }
}

TEST(HttpGet, TakesNothingIntoMemoryThatHasNoEnd) {
  const std::string much(1U << 20U, 'a');
  constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";
  constexpr std::string_view kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto around = [&](std::string_view before, std::string_view after) {
    return std::string(before).append(much).append(after);
  };
  for (const auto& wrong : {around(std::string(kOk).append("A: "), "\r\nContent-Length: 0\r\n\r\n"),
                            around("HTTP/1.1 200 ", "\r\n\r\n"),
                            around(std::string(kChunked).append("1;a="), "\r\na\r\n0\r\n\r\n"),
                            around(std::string(kChunked).append("0;a="), "\r\n\r\n"),
                            around(std::string(kChunked).append("0\r\nA: "), "\r\n\r\n")}) {
    const FakeServer server({wrong});
    const auto response = get(server.address(), "/", kPatience);
    ASSERT_FALSE(response) << wrong.substr(0, 60);
    EXPECT_THAT(response.error().what, HasSubstr("too long"));
  }
}

TEST(HttpGet, TakesNoMoreThanItIsTold) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'a');
  const FakeServer whole({answer});
  EXPECT_TRUE(get(whole.address(), "/", kPatience, answer.size()));
  const FakeServer larger({answer});
  const auto response = get(larger.address(), "/", kPatience, answer.size() - 1);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::kOverLimit);
}

TEST(HttpGet, PassesOverWhatOnlyAnnouncesAnAnswer) {
  const FakeServer server(
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  const auto response = get(server.address(), "/", kPatience);
  ASSERT_TRUE(response) << response.error().what;
  EXPECT_EQ(response->status, 200U);
  EXPECT_EQ(response->body, "ok");
}

TEST(HttpGet, TakesNoMoreAnnouncementsThanAHundredAndThanItsBytes) {
  const auto announced = [](int times) {
    std::string answer;
    for (int i = 0; i < times; ++i) answer += "HTTP/1.1 100 Continue\r\n\r\n";
    return answer + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  };
  const FakeServer hundred({announced(100)});
  EXPECT_TRUE(get(hundred.address(), "/", kPatience));
  const FakeServer more({announced(101)});
  const auto too_many = get(more.address(), "/", kPatience);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().kind, ErrorKind::kOverLimit);
  const FakeServer longer({announced(100)});
  const auto too_long = get(longer.address(), "/", kPatience, 1000);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().kind, ErrorKind::kOverLimit);
}

TEST(HttpGet, WaitsNoLongerForAnAnswerThatDrips) {
  boost::asio::io_context context;
  tcp::acceptor acceptor(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
  std::thread server([&] {
    auto socket = acceptor.accept();
    boost::system::error_code error;
    boost::asio::write(
        socket, boost::asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")),
        error);
    for (int i = 0; i < 998 && !error; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      boost::asio::write(socket, boost::asio::buffer("a", 1), error);
    }
  });
  const auto response =
      get({"127.0.0.1", acceptor.local_endpoint().port()}, "/", std::chrono::seconds(1));
  server.join();
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().what, HasSubstr("timed out"));
}

TEST(HttpGet, NamesWhomItDidNotReach) {
  ListenAddress nobody;
  {
    const FakeServer gone({""});
    nobody = gone.address();
    (void)get(nobody, "/", kPatience);
  }
  const auto response = get(nobody, "/", kPatience);
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().what,
              AllOf(HasSubstr(to_text(nobody)), HasSubstr("Connection refused")));
}

TEST(Connection, IsKeptAlive) {
  const FakeServer server({"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
                           "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"});
  auto connection = Connection::open(server.address(), kPatience);
  ASSERT_TRUE(connection) << connection.error().what;
  EXPECT_EQ(connection->get("/")->body, "one");
  EXPECT_EQ(connection->get("/")->body, "two");
}

// Of an authority that has issued nothing.
constexpr const char* kAuthority =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbjCCAROgAwIBAgIUA+53CgOd2H8jg98LnfBPk6/DIfgwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYTAeFw0yNjExMjcwNjMyMDdaFw0zNjExMjQwNjMyMDdaMAwx\n"
    "CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASHyxFzmnhL7KKm\n"
    "1QVms2UO1Srvbo02GQG9VOMoKnY+6qpJd7MKeipC3yh1ms8d5H6KyiFlpmvelGPj\n"
    "S03p63w5o1MwUTAdBgNVHQ4EFgQUyK+Yg1was574uwXiqrjj5NqsoU8wHwYDVR0j\n"
    "BBgwFoAUyK+Yg1was574uwXiqrjj5NqsoU8wDwYDVR0TAQH/BAUwAwEB/zAKBggq\n"
    "hkjOPQQDAgNJADBGAiEAiwfTZO2DnJfEj0iWuhDcluXzx+Z5xsDAir/rgYtSgHoC\n"
    "IQCMMhHR0XFS741ELh9pCwu2T0UFe4dGeJ4+OmbHGjhXzw==\n"
    "-----END CERTIFICATE-----\n";

/// Notes how it ended.
class EndReceiver final : public Receiver {
 public:
  void on_answer(const AnswerHead& /*head*/) override {}
  bool on_body(std::string_view /*piece*/) override { return true; }
  void on_end(const Result<void>& result) override { end = result; }

  std::optional<Result<void>> end;
};

TEST(HttpAsk, GivesUpAHandshakeWhenTheWholeIsGivenUp) {
  const auto ca = testing::TempDir() + "closewatch_client_test.crt";
  std::ofstream(ca) << kAuthority;
  boost::asio::io_context context;
  // It accepts connections, and says nothing.
  const tcp::acceptor silent(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
  EndReceiver receiver;
  ask(context, {"127.0.0.1", std::to_string(silent.local_endpoint().port()), ca},
      {.target = "/",
       .headers = {},
       .silence = kPatience,
       .most_bytes = 1000,
       .until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100)},
      receiver);
  // Less than a handshake may take otherwise.
  context.run_for(kPatience);
  std::remove(ca.c_str());
  ASSERT_TRUE(receiver.end);
  ASSERT_FALSE(*receiver.end);
  EXPECT_THAT(receiver.end->error().what, HasSubstr("127.0.0.1"));
}

}  // namespace
}  // namespace closewatch::http
