// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands.h"
#include "app/standard_output.h"
#include "closewatch/base/build_info.h"
#include "closewatch/settings/config_file.h"
#include "closewatch/settings/option_table.h"
#include "closewatch/web/web_access.h"

namespace closewatch {
namespace {

/// What was written on the command line, before it is understood.
struct Given {
  std::string config_file;
  std::map<std::string, std::string> flags;  ///< by option name
  ScanRequest request;
  std::string state;
  std::string by;
  std::string output = "table";
  std::string path;
};

void add_config_options(CLI::App& command, Given& given) {
  command.add_option("--config", given.config_file, "YAML file with the keys below; flags win")
      ->type_name("FILE");
  for (const auto& option : option_table()) {
    const std::string name(option.name);
    auto* const flag = command.add_option_function<std::string>(
        "--" + name, [&given, name](const std::string& text) { given.flags[name] = text; },
        fmt::format("{} [{}]", option.help, option.initial));
    flag->type_name("VALUE")->group("Configuration");
    if (takes_list(option)) flag->join(',');
  }
}

/// The version first: scripts take it from there.
std::string version_text() {
  std::string text = build_version();
  if (const std::string revision = build_revision(); !revision.empty()) {
    text += " (revision " + revision + " of " + build_date() + ")";
  }
  return text;
}

/// Says what is wrong with a list of states, as CLI11 wants it.
std::string are_states(const std::string& list) {
  const auto states = parse_states(list);
  if (!states) return states.error().what;
  return *states == 0 ? "it takes a state" : "";
}

/// Likewise of a name: an empty one would ask for all.
std::string is_name(const std::string& text) {
  const bool named = !text.empty() && !text.starts_with('/') && !text.ends_with('/');
  return named ? "" : "'" + text + "' lacks a name";
}

void add_scan_options(CLI::App& command, Given& given) {
  command
      .add_option("--namespace,-n", given.request.filter.pod_namespace,
                  "only pods of this namespace")
      ->check(is_name);
  command
      .add_option("--pod", given.request.filter.pod, "only the pod of this name, or NAMESPACE/NAME")
      ->check(is_name);
  command
      .add_option("--state", given.state,
                  "only pods with sockets in this state; with --sockets, the states by commas")
      ->check(are_states);
  auto* const sockets =
      command.add_flag("--sockets", given.request.sockets,
                       "list each socket in CLOSE_WAIT of --pod NAMESPACE/NAME; with --state those "
                       "in these states, by inet_diag, of all pods that are asked for");
  command
      .add_option("--by", given.by,
                  "with --sockets: one line for each peer, who uses most local ports first")
      ->needs(sockets)
      ->check(CLI::IsMember({"peer"}));
  command.add_option("--output,-o", given.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
}

/// The commands as CLI11 has them.
struct CommandLine {
  CLI::App app{"Tells which pod on this node leaks TCP connections.", "closewatch"};
  CLI::App* serve = app.add_subcommand("serve", "scan for ever and serve the metrics");
  CLI::App* scan = app.add_subcommand("scan", "scan once and print what was found");
  CLI::App* top = app.add_subcommand("top", "show the pods live in a terminal");
  CLI::App* check = app.add_subcommand("check-config", "say what is wrong with the settings");
  CLI::App* get = app.add_subcommand("get", "print what the running agent answers to a path");

  explicit CommandLine(Given& given);
};

/// Says what is wrong with a path, or with an address that has one: it becomes a part of the
/// request as it is.
std::string is_path(const std::string& text) {
  constexpr std::string_view kHttp = "http://";
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  const bool has_path =
      text.starts_with('/') ||
      (text.starts_with(kHttp) && text.find('/', kHttp.size()) != std::string::npos);
  return has_path && plain ? "" : "'" + text + "' is no path of the agent";
}

/// File first, flags over it. Prints every mistake.
int read_config(const Given& given, Config& config) {
  config = default_config();
  if (!given.config_file.empty()) {
    const auto mistakes = apply_config_file(given.config_file, config);
    for (const auto& mistake : mistakes) fmt::print(stderr, "closewatch: {}\n", mistake);
    if (!mistakes.empty()) return kExitFailure;
  }
  int status = kExitSuccess;
  for (const auto& option : option_table()) {
    const auto flag = given.flags.find(std::string(option.name));
    if (flag == given.flags.end()) continue;
    if (const auto set = option.set(config, flag->second); !set) {
      fmt::print(stderr, "closewatch: --{}: {}\n", option.name, set.error().what);
      status = kExitUsage;
    }
  }
  if (const auto together = check_together(config); !together && status == kExitSuccess) {
    fmt::print(stderr, "closewatch: {}\n", together.error().what);
    return kExitUsage;
  }
  return status;
}

/// Prints what is wrong with who shall be let in, and what is strange.
bool check_web(const Config& config) {
  const auto remarks = web::check_web_config(config.web.config_file, config.web.kubernetes_auth);
  if (!remarks) {
    fmt::print(stderr, "{}\n", remarks.error().what);
    return false;
  }
  for (const auto& remark : *remarks) fmt::print(stderr, "closewatch: {}\n", remark);
  return true;
}

/// What was asked of scan, put together. Prints a contradiction and says false.
bool read_request(Given& given) {
  auto& [filter, sockets, connections, format] = given.request;
  if (sockets && (!given.state.empty() || !given.by.empty())) {
    connections.emplace();
    connections->by_peer = !given.by.empty();
    const auto states = parse_states(given.state);  // which has been checked
    if (states && *states != 0) connections->states = *states;
  } else if (!given.state.empty()) {
    filter.state = tcp_state_named(given.state);
    if (!filter.state) {
      fmt::print(stderr, "closewatch: --state takes one state, and several with --sockets\n");
      return false;
    }
  }
  if (given.output == "json") format = OutputFormat::kJson;
  if (const auto slash = filter.pod.find('/'); slash != std::string::npos) {
    const auto pod_namespace = filter.pod.substr(0, slash);
    if (!filter.pod_namespace.empty() && filter.pod_namespace != pod_namespace) {
      fmt::print(stderr, "closewatch: --namespace '{}' contradicts --pod '{}'\n",
                 filter.pod_namespace, filter.pod);
      return false;
    }
    filter.pod_namespace = pod_namespace;
    filter.pod.erase(0, slash + 1);
  }
  if (sockets && !connections && (filter.pod.empty() || filter.pod_namespace.empty())) {
    fmt::print(stderr,
               "closewatch: --sockets needs one pod, by both names: --pod NAMESPACE/NAME; with "
               "--state or --by it lists those of all\n");
    return false;
  }
  return true;
}

CommandLine::CommandLine(Given& given) {
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", version_text());
  for (auto* const command : {serve, scan, top, check, get}) add_config_options(*command, given);
  add_scan_options(*scan, given);
  get->add_option("PATH", given.path, "such as /api/v1/pods.tsv, or http://HOST:PORT/readyz")
      ->required()
      ->check(is_path);
}

}  // namespace

void show_command_line(const std::function<void(const CLI::App&)>& to) {
  Given given;
  const CommandLine line(given);
  to(line.app);
}

int run_command_line(std::span<const char* const> arguments) {
  // A log whose reader has gone is no reason to end, an answer that nobody reads one that is told.
  (void)std::signal(SIGPIPE, SIG_IGN);
  Given given;
  CommandLine line(given);
  try {
    line.app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    return line.app.exit(error) == 0 ? kExitSuccess : kExitUsage;
  }
  if (line.app.get_subcommands().empty()) {
    fmt::print(stderr, "{}", line.app.help());
    return kExitUsage;
  }
  Config config;
  if (const int status = read_config(given, config); status != kExitSuccess) return status;
  if (line.serve->parsed()) return serve(std::move(config));
  if (line.get->parsed()) return get(config, given.path);
  if (line.top->parsed()) return top(std::move(config));
  if (line.check->parsed()) {
    if (!check_web(config)) return kExitFailure;
    return print("the configuration is valid\n") ? kExitSuccess : kExitFailure;
  }
  return read_request(given) ? scan(std::move(config), given.request) : kExitUsage;
}

}  // namespace closewatch
