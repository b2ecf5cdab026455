// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

/// The files of src/page/assets, which CMake puts into the program.
namespace closewatch {

std::string_view frame_html();  ///< a template for fmt: title, root, body
std::string_view page_css();
std::string_view page_js();
std::string_view icon_svg();

}  // namespace closewatch
