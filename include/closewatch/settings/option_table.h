// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "closewatch/base/result.h"
#include "closewatch/settings/config.h"

namespace closewatch {

/// One setting: the key in the YAML file ("scan: {interval: 10s}") and the flag (--scan.interval)
/// have the same name and take the same text.
struct Option {
  std::string_view name;
  std::string_view takes;  ///< what may be given: "a duration from 1s to 1h"
  std::string_view initial;
  std::string_view help;
  /// Sets it in a Config; the error completes the sentence "NAME: …".
  Result<void> (*set)(Config&, std::string_view text);
};

/// Whether it takes words by commas: then YAML may have a list, and the flag may be repeated.
bool takes_list(const Option& option);

/// Every option there is.
std::span<const Option> option_table();

/// Whether settings that are right by themselves are so together; the error is a whole sentence.
Result<void> check_together(const Config& config);

/// A Config with every option at its default.
Config default_config();

}  // namespace closewatch
