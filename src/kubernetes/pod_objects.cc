// SPDX-License-Identifier: Apache-2.0
#include "closewatch/kubernetes/pod_objects.h"

#include <utility>

#include "kubernetes/document_parser.h"

namespace closewatch {

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
