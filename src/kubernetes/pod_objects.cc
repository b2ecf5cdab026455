#include "closewatch/kubernetes/pod_objects.h"

#include <utility>

#include <boost/json/basic_parser_impl.hpp>

#include "kubernetes/pod_handler.h"

namespace closewatch {
namespace {

namespace json = boost::json;

/// One document, or one after the other.
class DocumentParser {
 public:
  DocumentParser(JsonPlace root, std::size_t most_pods) : parser_(options(), root, most_pods) {}

  Result<void> feed(std::string_view piece) {
    if (piece.empty()) return {};
    boost::system::error_code error;
    const auto taken = parser_.write_some(true, piece.data(), piece.size(), error);
    if (error) return failure(error);
    begun_ = true;
    if (taken == piece.size()) return {};
    return fail(ErrorKind::kMalformed, "no JSON (extra data)");
  }

  /// There is no more of this document.
  Result<void> end() {
    boost::system::error_code error;
    parser_.write_some(false, nullptr, 0, error);
    if (error) return failure(error);
    parser_.reset();
    begun_ = false;
    return {};
  }

  [[nodiscard]] bool begun() const { return begun_; }
  PodHandler& handler() { return parser_.handler(); }

 private:
  static json::parse_options options() {
    json::parse_options options;
    options.max_depth = PodHandler::kJsonDepth;
    return options;
  }

  Result<void> failure(const boost::system::error_code& error) {
    if (handler().trouble()) return tl::unexpected(*handler().trouble());
    return fail(ErrorKind::kMalformed, "no JSON (" + error.message() + ")");
  }

  json::basic_parser<PodHandler> parser_;
  bool begun_ = false;
};

}  // namespace

class PodPageReader::Parser : public DocumentParser {
 public:
  using DocumentParser::DocumentParser;
};

PodPageReader::PodPageReader(std::size_t most_pods)
    : parser_(std::make_unique<Parser>(JsonPlace::kList, most_pods)) {}
PodPageReader::PodPageReader(PodPageReader&& other) noexcept = default;
PodPageReader& PodPageReader::operator=(PodPageReader&& other) noexcept = default;
PodPageReader::~PodPageReader() = default;

Result<void> PodPageReader::feed(std::string_view piece) { return parser_->feed(piece); }

Result<PodPage> PodPageReader::page() && {
  if (auto ended = parser_->end(); !ended) return tl::unexpected(ended.error());
  return parser_->handler().take_page();
}

class WatchReader::Parser : public DocumentParser {
 public:
  Parser() : DocumentParser(JsonPlace::kEvent, 0) {}
};

WatchReader::WatchReader() : parser_(std::make_unique<Parser>()) {}
WatchReader::WatchReader(WatchReader&& other) noexcept = default;
WatchReader& WatchReader::operator=(WatchReader&& other) noexcept = default;
WatchReader::~WatchReader() = default;

Result<void> WatchReader::feed(std::string_view piece, const OnEvent& on_event) {
  for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
    if (auto fed = parser_->feed(piece.substr(0, end)); !fed) return fed;
    piece.remove_prefix(end + 1);
    if (!parser_->begun()) continue;
    if (auto ended = parser_->end(); !ended) return ended;
    const auto event = parser_->handler().take_event();
    if (!event) return tl::unexpected(event.error());
    if (auto taken = on_event(*event); !taken) return taken;
  }
  return parser_->feed(piece);
}

std::string parse_status_message(std::string_view text) {
  DocumentParser parser(JsonPlace::kItem, 0);
  if (!parser.feed(text) || !parser.end()) return {};
  return parser.handler().take_message();
}

}  // namespace closewatch
