// SPDX-License-Identifier: Apache-2.0
// Writes the tables of docs/ out of the tables in the code: what stands between a file's
// "<!-- generated:NAME -->" and "<!-- end -->" lines; and the files that come of them as a whole,
// which it knows by their names. `--check` only says whether something differs.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "manual.h"

#include "closewatch/events/tcp_event.h"
#include "closewatch/metrics/metric_table.h"

namespace {

/// `text` with each generated part written anew.
std::string regenerate(const std::string& text, const std::map<std::string, std::string>& parts) {
  constexpr std::string_view kBegin = "<!-- generated:";
  std::istringstream in(text);
  std::string out;
  std::string line;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line == "<!-- end -->") inside = false;
    if (inside) continue;
    out += line + "\n";
    if (!line.starts_with(kBegin)) continue;
    const auto name = line.substr(kBegin.size(), line.find(' ', kBegin.size()) - kBegin.size());
    out += parts.at(name);
    inside = true;
  }
  return out;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::string> parts = {
      {"metrics", closewatch::metric_table_markdown()},
      {"events", closewatch::tcp_event_table_markdown()},
      {"options", closewatch::settings_table()},
  };
  const std::map<std::string, std::string> files = {
      {"closewatch.1", closewatch::manual_page()},
      {"closewatch.yaml.5", closewatch::settings_page()},
      {"closewatch.yaml", closewatch::settings_file()},
      {"closewatch.bash", closewatch::bash_completion()},
      {"_closewatch", closewatch::zsh_completion()},
      {"closewatch.fish", closewatch::fish_completion()},
  };
  const bool check = argc > 1 && std::string_view(argv[1]) == "--check";
  int status = 0;
  for (int i = check ? 2 : 1; i < argc; ++i) {
    const auto before = read(argv[i]);
    const auto file = files.find(std::filesystem::path(argv[i]).filename());
    const auto after = file == files.end() ? regenerate(before, parts) : file->second;
    if (before == after) continue;
    if (check) {
      (void)std::fprintf(stderr, "%s does not tell what the code does: run scripts/generate\n",
                         argv[i]);
      status = 1;
    } else {
      std::ofstream(argv[i], std::ios::binary) << after;
    }
  }
  return status;
}
