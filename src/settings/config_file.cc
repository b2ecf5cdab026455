// SPDX-License-Identifier: Apache-2.0
#include "closewatch/settings/config_file.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "closewatch/base/file.h"
#include "closewatch/base/printable.h"
#include "closewatch/settings/option_table.h"

namespace closewatch {
namespace {

/// Reads a tree of YAML against the option table and keeps the mistakes.
class Reader {
 public:
  Reader(std::string_view file, Config& config) : file_(file), config_(config) {}

  void document(const YAML::Node& root) {
    if (root.IsMap()) {
      section(root, "");
    } else if (!root.IsNull()) {
      mistake(root.Mark(), "", "must hold keys and values");
    }
  }

  /// `prefix` is "" or ends with a dot.
  void section(const YAML::Node& node, const std::string& prefix) {
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        mistake(entry.first.Mark(), prefix + "?", "a key must be a word");
        continue;
      }
      key(entry.first, entry.second, prefix + entry.first.Scalar());
    }
  }

  void mistake(const YAML::Mark& mark, const std::string& key, const std::string& what) {
    std::string text = file_;
    if (!mark.is_null()) text += ":" + std::to_string(mark.line + 1);
    mistakes_.push_back(printable(text + ": " + (key.empty() ? "" : key + ": ") + what));
  }

  std::vector<std::string> result() && { return std::move(mistakes_); }

 private:
  void key(const YAML::Node& name, const YAML::Node& value, const std::string& path) {
    if (!seen_.insert(path).second) {
      mistake(name.Mark(), path, "is given twice");
      return;
    }
    const auto options = option_table();
    const auto option = std::find_if(options.begin(), options.end(),
                                     [&](const Option& known) { return known.name == path; });
    if (option != options.end()) {
      set(*option, name, value);
    } else if (is_section(path)) {
      if (value.IsMap()) {
        section(value, path + ".");
      } else if (!value.IsNull()) {
        mistake(name.Mark(), path, "must hold keys: " + known_below(path + "."));
      }
    } else {
      const auto dot = path.rfind('.');
      const auto prefix = dot == std::string::npos ? "" : path.substr(0, dot + 1);
      mistake(name.Mark(), path, "unknown key; known here: " + known_below(prefix));
    }
  }

  void set(const Option& option, const YAML::Node& name, const YAML::Node& value) {
    // What takes a list by commas may have it as YAML's own.
    if (value.IsSequence() && takes_list(option)) return set_list(option, value);
    if (!value.IsScalar()) {
      mistake(name.Mark(), std::string(option.name), "must be " + std::string(option.takes));
      return;
    }
    if (const auto done = option.set(config_, value.Scalar()); !done) {
      mistake(value.Mark(), std::string(option.name), done.error().what);
    }
  }

  void set_list(const Option& option, const YAML::Node& list) {
    std::string words;
    for (const auto& item : list) {
      // A comma in an item would be two items.
      if (!item.IsScalar() || item.Scalar().find(',') != std::string::npos) {
        mistake(item.Mark(), std::string(option.name), "must be " + std::string(option.takes));
        return;
      }
      words += (words.empty() ? "" : ",") + item.Scalar();
    }
    if (const auto done = option.set(config_, words); !done) {
      mistake(list.Mark(), std::string(option.name), done.error().what);
    }
  }

  static bool is_section(const std::string& path) {
    const auto options = option_table();
    return std::any_of(options.begin(), options.end(),
                       [&](const Option& option) { return option.name.starts_with(path + "."); });
  }

  /// The next words of all options that begin with `prefix`.
  static std::string known_below(const std::string& prefix) {
    std::string names;
    std::set<std::string_view> told;
    for (const auto& option : option_table()) {
      if (!option.name.starts_with(prefix)) continue;
      const auto rest = option.name.substr(prefix.size());
      const auto word = rest.substr(0, rest.find('.'));
      if (!told.insert(word).second) continue;
      names += (names.empty() ? "" : ", ") + std::string(word);
    }
    return names;
  }

  std::string file_;
  Config& config_;
  std::set<std::string> seen_;
  std::vector<std::string> mistakes_;
};

/// Tells where the contents of documents begin.
class DocumentMarks final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    marks_.push_back(mark);
    begins_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { note(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { note(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {
    note(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {
    note(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    note(mark);
  }
  void OnMapEnd() override {}

  [[nodiscard]] const std::vector<YAML::Mark>& marks() const { return marks_; }

 private:
  void note(const YAML::Mark& mark) {
    if (std::exchange(begins_, false)) marks_.back() = mark;
  }

  std::vector<YAML::Mark> marks_;
  bool begins_ = false;
};

/// Where the first two documents begin, as far as there are any. YAML::LoadAll() would go on for
/// ever where yaml-cpp takes nothing off the text for a document, as before a comma (0.7, 0.8).
std::vector<YAML::Mark> begin_documents(std::string_view yaml) {
  std::istringstream text{std::string(yaml)};
  YAML::Parser parser(text);
  DocumentMarks documents;
  while (documents.marks().size() < 2 && parser.HandleNextDocument(documents)) {
  }
  return documents.marks();
}

}  // namespace

std::vector<std::string> apply_config_text(std::string_view yaml, std::string_view file,
                                           Config& config) {
  Reader reader(file, config);
  try {
    const auto documents = begin_documents(yaml);
    if (documents.size() > 1 && documents[1].pos == documents[0].pos) {
      reader.mistake(documents[0], "", "no valid YAML: it cannot begin so");
    } else if (documents.size() > 1) {
      reader.mistake(documents[1], "", "a second document; there must be one only");
    } else if (!documents.empty()) {
      reader.document(YAML::Load(std::string(yaml)));
    }
  } catch (const YAML::Exception& error) {
    reader.mistake(error.mark, "", "no valid YAML: " + error.msg);
  }
  return std::move(reader).result();
}

std::vector<std::string> apply_config_file(const std::string& file, Config& config) {
  // To open a pipe waits for who writes to it, perhaps for ever.
  std::error_code unseen;
  const auto status = std::filesystem::status(file, unseen);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return {"configuration: " + file + " is no regular file"};
  }
  std::string text;
  if (const auto read = read_file_at(kWorkingDirectory, file.c_str(), text); !read) {
    return {"configuration: " + read.error().what};
  }
  return apply_config_text(text, file, config);
}

}  // namespace closewatch
