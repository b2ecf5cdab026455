# SPDX-License-Identifier: Apache-2.0
"""What the agent costs on the cluster by its pods and engine, as tables: measure.py [SECONDS]. 600 with `auto` if not said, a third of it for
each engine alone."""

import sys
import time

import kube
import workload
from kube import wait_for

SCRAPE_SECONDS = 15
LOADS = (
    (workload.Workload("Deployment", "shop", "few", 20, {"main": workload.Sockets(listen=2, established=30)}),),
    workload.WORKLOADS,
    (workload.Workload("Deployment", "shop", "many", 110, {"main": workload.Sockets(established=1000)}),),
)


def sample(metrics, family):
    """The one sample of a family; None before there is any."""
    found = metrics[family]
    return found[0][1] if found else None


def first_scan(agent):
    """How long the agent that runs took from its start to the end of its first scan, seconds."""
    metrics = wait_for(lambda: (found := agent.metrics())["closewatch_scan_timestamp_seconds"] and found, "a scan")
    # Of the first scan, unless the second has ended since: then this is too much, never too little.
    return sample(metrics, "closewatch_scan_timestamp_seconds") - sample(metrics, "process_start_time_seconds")


def watch(agent, seconds):
    """Scrapes as Prometheus would and returns the scrapes."""
    scrapes = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        scrapes.append(agent.metrics())
        time.sleep(SCRAPE_SECONDS)
    return scrapes


def image_sizes():
    """Of the archive and of what it holds, bytes."""
    archive = kube.ROOT / "build" / "image" / "closewatch.tar"
    unpacked = sum(int(line.split()[0]) for line in
                   kube.run("du", "--bytes", "--summarize", kube.ROOT / "build" / "image" / "builder" / "image").splitlines())
    return archive.stat().st_size, unpacked


def in_use(metrics):
    """The engine that reads, and since how many seconds the process runs."""
    engines = {labels["engine"]: labels["reason"] for labels, _ in metrics["closewatch_engine_in_use"]}
    age = sample(metrics, "closewatch_scan_timestamp_seconds") - sample(metrics, "process_start_time_seconds")
    return next(engine for engine, reason in engines.items() if not reason), age


def changes(scrapes):
    """The engines that read, each but the first with when it was first seen to."""
    said = []
    for engine, age in map(in_use, scrapes):
        if not said or said[-1][0] != engine:
            said.append((engine, age))
    return " → ".join([said[0][0], *(f"{engine} after {age:.0f} s at most" for engine, age in said[1:])])


def measured(agent, engine, seconds):
    """With the chart's defaults but for the engine: what -> how much."""
    agent.install(config={"scan": {"engine": engine}}, startupProbe={}, readinessProbe={})
    started = first_scan(agent)
    asked = len(kube.requests_of_the_agent())
    scrapes = watch(agent, seconds)
    first, last = scrapes[0], scrapes[-1]

    def grown(family):
        return sample(last, family) - sample(first, family)
    lasted = sample(last, "closewatch_scan_timestamp_seconds") - sample(first, "closewatch_scan_timestamp_seconds")
    resident = [sample(scrape, "process_resident_memory_bytes") / 2**20 for scrape in scrapes]
    checks = {labels["result"]: f"{number:.0f}" for labels, number in last["closewatch_engine_checks_total"]}
    return {
        "pods": f"{len(last['closewatch_pod_info'])}",
        "their sockets": f"{sum(value for _, value in last['closewatch_pod_sockets']):.0f}",
        "the engine that reads": changes(scrapes),
        "checks: agree, disagree, undecided": ", ".join(checks.values()) or "–",
        "up to its first scan": f"{started:.2f} s",
        "a scan": f"{sample(last, 'closewatch_scan_duration_seconds') * 1000:.1f} ms",
        "time between scans": f"{sample(last, 'closewatch_scan_interval_seconds'):.1f} s",
        "minutes": f"{lasted / 60:.1f}",
        "CPU": f"{100 * grown('process_cpu_seconds_total') / lasted:.3f} % of a core",
        "of it for scans": f"{100 * grown('closewatch_scan_cpu_seconds_total') / lasted:.3f} % of a core",
        "memory, at most": f"{max(resident):.1f} MiB resident",
        "memory, at the end": f"{resident[-1]:.1f} MiB resident",
        "descriptors, at the end": f"{sample(last, 'process_open_fds'):.0f}",
        "the API server's requests": f"{len(kube.requests_of_the_agent()) - asked}",
    }


def print_table(columns):
    """A column for each engine."""
    print(f"\n| what | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for what in columns["auto"]:
        print(f"| {what} | {' | '.join(column[what] for column in columns.values())} |", flush=True)


def main():
    """Prints the tables."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    agent = kube.Agent()
    for load in LOADS:
        workload.start(load)
        print_table({engine: measured(agent, engine, seconds if engine == "auto" else seconds // 3) for engine in ("auto", "inet_diag", "bpf")})
        workload.stop(load)
    archive, unpacked = image_sizes()
    print(f"\nThe image has {archive / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked.")


if __name__ == "__main__":
    main()
