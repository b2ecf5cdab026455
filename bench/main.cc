// What closewatch costs on real namespaces, all in one run on one machine, so that the ratios hold.
//
//   closewatch-bench AGENT_BINARY            prints Markdown; needs root
//   closewatch-bench AGENT_BINARY engines    only the engines beside each other
//   closewatch-bench AGENT_BINARY flatness   only what many namespaces cost

#include <cstdio>
#include <exception>
#include <string_view>

#include "bench/agent_cost.h"
#include "bench/diagnosis_cost.h"
#include "bench/engine_cost.h"
#include <fmt/format.h>

int main(int argc, char** argv) {
  using namespace closewatch::bench;
  if (argc < 2 || argc > 3) {
    (void)std::fputs("usage: closewatch-bench AGENT_BINARY [engines|flatness]\n", stderr);
    return 2;
  }
  const std::string_view only = argc == 3 ? argv[2] : "";
  try {
    if (only != "flatness") print_engine_cost();
    fmt::print(
        "\n100,000 sockets and 500 processes, shared out among more and more namespaces:\n\n");
    print_flatness();
    if (!only.empty()) return 0;
    fmt::print("\nWith sockets in CLOSE_WAIT, as multiples of counting only:\n\n");
    print_diagnosis_cost();
    fmt::print("\nMemory of the agent that remembers 200,000 sockets in CLOSE_WAIT:\n\n");
    print_diagnosis_memory(argv[1]);
    print_agent_cost(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "closewatch-bench: {}\n", error.what());
    return 1;
  }
}
