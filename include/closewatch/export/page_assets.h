#pragma once

#include <string_view>

/// The files of src/export/page, which CMake puts into the program.
namespace closewatch {

extern const std::string_view kFrameHtml;  ///< a template for fmt: title, root, body
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;
extern const std::string_view kIconSvg;

}  // namespace closewatch
