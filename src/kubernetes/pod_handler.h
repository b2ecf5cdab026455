// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/error.hpp>
#include <boost/json/string_view.hpp>

#include "closewatch/base/result.h"
#include "closewatch/kubernetes/pod_objects.h"
#include "kubernetes/workload.h"

namespace closewatch {

/// Where in a document of the API server's a value is, as far as it matters.
enum class JsonPlace : std::uint8_t {
  kNowhere,
  kList,
  kListMetadata,
  kListVersion,
  kListContinue,
  kItems,
  kEvent,
  kEventType,
  kItem,  // also an event's object
  kMetadata,
  kNamespace,
  kName,
  kUid,
  kVersion,
  kLabels,
  kTemplateHash,
  kAnnotations,
  kConfigHash,
  kOwners,
  kOwner,
  kOwnerKind,
  kOwnerName,
  kOwnerController,
  kStatusCode,
  kStatusMessage,
};

/// Takes what Boost.JSON's basic_parser finds, and keeps the texts of these places, each up to a
/// bound of its own. Of a member that is there twice the last counts.
class PodHandler {
 public:
  static constexpr std::size_t kJsonDepth = 64;  // managedFields nests deeper than the default, 32
  // What basic_parser wants to know; nothing of these is kept, and whoever asks bounds the bytes.
  // NOLINTBEGIN(readability-identifier-naming): the library's names
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  // NOLINTEND(readability-identifier-naming)

  /// `root` is kList, kEvent or, for a Status alone, kItem.
  PodHandler(JsonPlace root, std::size_t most_pods) : root_(root), most_pods_(most_pods) {}

  /// What was found in a document that is over. Empties it.
  Result<PodPage> take_page();
  Result<WatchEvent> take_event();
  std::string take_message();

  /// Why it has stopped the parser, if it has.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

  using ErrorCode = boost::system::error_code;
  using Text = boost::json::string_view;
  bool on_document_begin(ErrorCode& error);
  static bool on_document_end(ErrorCode& /*error*/) { return true; }
  bool on_object_begin(ErrorCode& error);
  bool on_object_end(std::size_t count, ErrorCode& error);
  bool on_array_begin(ErrorCode& error);
  bool on_array_end(std::size_t count, ErrorCode& error);
  bool on_key_part(Text part, std::size_t size, ErrorCode& error);
  bool on_key(Text part, std::size_t size, ErrorCode& error);
  bool on_string_part(Text part, std::size_t size, ErrorCode& error);
  bool on_string(Text part, std::size_t size, ErrorCode& error);
  static bool on_number_part(Text /*part*/, ErrorCode& /*error*/) { return true; }
  bool on_int64(std::int64_t number, Text part, ErrorCode& error);
  bool on_uint64(std::uint64_t /*number*/, Text /*part*/, ErrorCode& error) {
    return on_scalar(error);
  }
  bool on_double(double /*number*/, Text /*part*/, ErrorCode& error) { return on_scalar(error); }
  bool on_bool(bool value, ErrorCode& error);
  bool on_null(ErrorCode& error);
  static bool on_comment_part(Text /*part*/, ErrorCode& /*error*/) { return true; }
  static bool on_comment(Text /*part*/, ErrorCode& /*error*/) { return true; }

 private:
  struct Container {
    JsonPlace place = JsonPlace::kNowhere;
    bool is_array = false;
  };
  struct Owner {
    std::string kind;
    std::string name;
    bool controls = false;
  };
  /// What an item tells of itself.
  struct Item {
    std::string pod_namespace;
    std::string name;
    std::string uid;
    std::string version;
    std::string template_hash;
    std::string config_hash;
    std::optional<Owner> controller;  ///< the first
    std::string message;
    std::int64_t code = 0;
    bool has_metadata = false;
  };

  bool stop(ErrorKind kind, std::string what, ErrorCode& error);
  bool on_scalar(ErrorCode& error);
  void after_value();
  bool begin(bool is_array, ErrorCode& error);
  bool end(ErrorCode& error);
  bool end_item(ErrorCode& error);
  void end_owner();
  std::string* text_of(JsonPlace place);
  bool add_text(Text part, std::size_t size, ErrorCode& error);
  Result<PodObject> take_pod();
  WatchEvent take_status();

  JsonPlace root_;
  std::size_t most_pods_;
  std::optional<Error> trouble_;

  std::array<Container, kJsonDepth + 1> within_;
  std::size_t depth_ = 0;
  JsonPlace here_ = JsonPlace::kNowhere;  ///< where the next value is
  std::string key_;

  PodPage page_;
  std::string type_;
  Item item_;
  Owner owner_;
  bool has_item_ = false;
};

}  // namespace closewatch
