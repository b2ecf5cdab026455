// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "closewatch/base/backoff.h"
#include "closewatch/kubernetes/api_transport.h"
#include "closewatch/kubernetes/pod_directory.h"
#include "closewatch/kubernetes/pod_objects.h"

namespace closewatch {

/// Keeps a PodDirectory equal to what the API server knows of one node's pods: lists them page by
/// page, then watches from there; lists again when the server has forgotten where the watch was
/// (410). A watch that is cut goes on where it was. Whatever goes wrong is tried again, with
/// jittered exponential backoff; what is known stays. Needs get, list and watch of pods, nothing
/// else.
///
/// What the server may send is bounded: 64 MiB and 100 pages for a list, in two minutes; 64 MiB for
/// a watch; kMostPods pods. Beyond that is such a failure, after which it waits longest.
///
/// Everything happens on the thread of the io_context.
class PodWatcher final : private http::Receiver {
 public:
  struct Settings {
    std::string node;  ///< spec.nodeName of the pods
    std::chrono::milliseconds first_retry{1000};
    std::chrono::milliseconds slowest_retry{30'000};
    std::chrono::milliseconds proof{5000};  ///< that a watch which lasts is good
    std::uint32_t seed = 0;                 ///< of the jitter
  };

  /// Both must live until the io_context runs no more.
  PodWatcher(boost::asio::io_context& context, ApiTransport& transport, PodDirectory& directory,
             Settings settings);

  void start() { list(); }
  /// Of the certificate of the last answer; none before the first.
  [[nodiscard]] const http::HostNames& server_names() const { return server_names_; }

 private:
  enum class Doing : std::uint8_t { kList, kWatch };

  void list();
  void request_page();
  void watch();
  void on_answer(const http::AnswerHead& answer) override;
  void begin_watch();
  void prove_watch();
  bool on_body(std::string_view piece) override;
  void on_end(const Result<void>& result) override;
  void end_list(const Result<void>& result);
  void end_watch(const Result<void>& result);
  Result<void> take(const WatchEvent& event);
  [[nodiscard]] Error refusal() const;
  void retry(Error why);
  void again(std::chrono::milliseconds wait);

  boost::asio::steady_timer timer_;
  ApiTransport& transport_;
  PodDirectory& directory_;
  Settings settings_;
  Backoff backoff_;

  Doing doing_ = Doing::kList;
  http::AnswerHead answer_;  // of the request under way
  http::HostNames server_names_;
  std::string refusal_;  // its body
  PodPageReader page_;
  std::vector<PodObject> listed_;  // by the pages so far
  std::string next_page_;
  std::size_t pages_left_ = 0;
  std::uint64_t list_bytes_left_ = 0;
  std::chrono::steady_clock::time_point list_until_;
  WatchReader events_;
  Result<void> trouble_;        // with the request under way
  bool trusts_watches_ = true;  // else a 200 does not show that all is well
  std::string resource_version_;
  bool must_be_fresh_ = false;  // the server's cache has led astray
};

}  // namespace closewatch
