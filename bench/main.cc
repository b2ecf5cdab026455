// SPDX-License-Identifier: Apache-2.0
// What closewatch costs on real namespaces, all in one run on one machine, so that the ratios hold.
//
//   closewatch-bench AGENT_BINARY [PART]     prints Markdown; needs root
//
// PART is engines, flatness, layouts, diagnosis, agent or everyday; all of them without.

#include <cstdio>
#include <exception>
#include <string_view>

#include <fmt/format.h>

#include "bench/agent_cost.h"
#include "bench/diagnosis_cost.h"
#include "bench/engine_cost.h"
#include "bench/layout_cost.h"

int main(int argc, char** argv) {
  using namespace closewatch::bench;
  if (argc < 2 || argc > 3) {
    (void)std::fputs(
        "usage: closewatch-bench AGENT_BINARY [engines|flatness|layouts|diagnosis|agent|everyday]\n",
        stderr);
    return 2;
  }
  const std::string_view only = argc == 3 ? argv[2] : "";
  const auto wanted = [&](std::string_view part) { return only.empty() || only == part; };
  try {
    if (wanted("engines")) print_engine_cost();
    if (wanted("flatness")) {
      fmt::print(
          "\n100,000 sockets and 500 processes, shared out among more and more namespaces:\n\n");
      print_flatness();
    }
    if (wanted("layouts")) {
      fmt::print("\nPods of one container without sockets, by bpf, from the third scan on:\n\n");
      print_layout_cost();
    }
    if (wanted("diagnosis")) {
      fmt::print("\nWith sockets in CLOSE_WAIT, as multiples of counting only:\n\n");
      print_diagnosis_cost();
      fmt::print("\nMemory of the agent that remembers 200,000 sockets in CLOSE_WAIT:\n\n");
      print_diagnosis_memory(argv[1]);
    }
    if (wanted("agent")) print_agent_cost(argv[1]);
    if (wanted("everyday")) print_everyday_cost(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "closewatch-bench: {}\n", error.what());
    return 1;
  }
}
