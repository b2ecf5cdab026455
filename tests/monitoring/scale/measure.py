# SPDX-License-Identifier: Apache-2.0
"""Says as Markdown what agents by the hundred cost a real Prometheus on this machine, and what their samples cost its disk."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import exposition
from exposition import ROOT, SCRAPE_SECONDS
from scraping import Agents, Scraping

ROUNDS = 8  # of scrapes, over which CPU time and appended samples are taken
MIB = 1 << 20


class Spent:
    """What a Prometheus has used and done while it scraped all agents for some rounds."""

    def __init__(self, prometheus, rounds=ROUNDS):
        began, before = time.monotonic(), self._so_far(prometheus)
        time.sleep(rounds * SCRAPE_SECONDS)
        self.seconds = time.monotonic() - began
        self.cpu, self.samples = (after - earlier for after, earlier in zip(self._so_far(prometheus), before))
        self.cores = self.cpu / self.seconds

    @staticmethod
    def _so_far(prometheus):
        return [prometheus.own(metric) for metric in (
            "process_cpu_seconds_total", "prometheus_tsdb_head_samples_appended_total")]


def fed(count):
    """One row of the table, without rules."""
    with Agents(count) as agents, Scraping(agents) as prometheus:
        prometheus.wait_for_all()
        spent = Spent(prometheus)
        series = prometheus.own("prometheus_tsdb_head_series")
        memory = prometheus.own("process_resident_memory_bytes")
        slowest = prometheus.value(f"max(quantile_over_time(0.99, scrape_duration_seconds[{ROUNDS * SCRAPE_SECONDS}s]))")
        missed = count - prometheus.value("sum(up)")
        return (f"| {count:,} | {count * exposition.Shape().pods:,} | {series:,.0f} | {spent.samples / spent.seconds:,.0f} "
                f"| {memory / MIB:,.0f} | {memory / series:,.0f} | {spent.cores:.2f} "
                f"| {1e6 * spent.cpu / spent.samples:.1f} | {slowest:.2f} | {missed:.0f} |")


def ruled(count):
    """What all rules cost: the difference that they make, over as long as the slowest of them need for a round."""
    rules = sorted((ROOT / "deploy/monitoring/rules").glob("*.yaml"))
    pods = count * exposition.Shape().pods
    with Agents(count) as agents:
        cores = []
        for files in ((), rules):
            with Scraping(agents, files) as prometheus:
                prometheus.wait_for_all()
                cores.append(Spent(prometheus, 2 * ROUNDS).cores)
                recorded = prometheus.value('count({__name__=~".+:.+"})')
    return (f"All rules over {pods:,} pods take {cores[1] - cores[0]:.2f} cores, {60e3 * (cores[1] - cores[0]) / pods:.2f} ms of CPU "
            f"a pod and minute, and record {recorded:,.0f} series.")


def on_disk(hours=6):
    """Bytes of a sample in blocks: one agent's scrapes, written by promtool."""
    ticks = hours * 3600 // SCRAPE_SECONDS
    end = int(time.time()) // 7200 * 7200
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        text, blocks = pathlib.Path(directory) / "openmetrics", pathlib.Path(directory) / "blocks"
        with text.open("w", encoding="utf-8") as file:
            file.writelines(exposition.Fleet().openmetrics(0, ticks, end))
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, blocks], check=True,
                       stdout=subprocess.DEVNULL)
        samples = sum(json.loads(path.read_text(encoding="utf-8"))["stats"]["numSamples"]
                      for path in blocks.glob("*/meta.json"))
        chunks = sum(path.stat().st_size for path in blocks.glob("*/chunks/*"))
        whole = sum(path.stat().st_size for path in blocks.rglob("*") if path.is_file())
    return (f"On disk {chunks / samples:.2f} bytes a sample in chunks, {whole / samples:.2f} with the index: "
            f"{samples:,} samples of one agent in blocks of two hours.")


def main():
    counts = [int(word) for word in sys.argv[1:]] or [250, 500, 1000, 2000]
    shape = exposition.Shape()
    print(f"Linux {'.'.join(os.uname().release.split('.')[:2])}, {os.cpu_count()} cores shared with what serves the "
          f"expositions, Prometheus 2.42, a scrape every {SCRAPE_SECONDS} s.\n")
    with Agents(1) as one:
        print(f"A node of {shape.pods} pods × {shape.containers} containers × {shape.ports} ports: "
              f"{shape.series_of_pod()} series a pod, {shape.series_of_agent()} of the agent's own; a scrape is "
              f"{one.bytes / 1024:.0f} KiB, {one.gzipped / 1024:.0f} KiB compressed.\n")
    print(on_disk() + "\n")
    print("| agents | pods | series in head | samples/s | resident, MiB | bytes a series | cores | µs a sample "
          "| scrape p99, s | scrapes missed |\n|---|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        print(fed(count), flush=True)
    print("\n" + ruled(counts[0]), flush=True)


if __name__ == "__main__":
    main()
