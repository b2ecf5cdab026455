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


def fed(count):
    """One row of the table."""
    rules = sorted((ROOT / "deploy/monitoring/rules").glob("*.y*ml"))
    with Agents(count) as agents, Scraping(agents, rules) as prometheus:
        prometheus.wait_for_all()
        began, cpu, appended = time.monotonic(), *spent(prometheus)
        time.sleep(ROUNDS * SCRAPE_SECONDS)
        took = time.monotonic() - began
        cpu, appended = (after - before for after, before in zip(spent(prometheus), (cpu, appended)))
        series = prometheus.own("prometheus_tsdb_head_series")
        memory = prometheus.own("process_resident_memory_bytes")
        late = prometheus.value(f"max(quantile_over_time(0.99, scrape_duration_seconds[{ROUNDS * SCRAPE_SECONDS}s]))")
        rule_seconds = sum_of_groups(prometheus)
        missed = count - prometheus.value("sum(up)")
        return (f"| {count:,} | {count * exposition.Shape().pods:,} | {series:,.0f} | {appended / took:,.0f} "
                f"| {memory / MIB:,.0f} | {memory / series:,.0f} | {cpu / took:.2f} | {1e6 * cpu / appended:.1f} "
                f"| {rule_seconds:.1f} | {late:.2f} | {missed:.0f} |")


def spent(prometheus):
    return prometheus.own("process_cpu_seconds_total"), prometheus.own("prometheus_tsdb_head_samples_appended_total")


def sum_of_groups(prometheus):
    """How long all groups of rules took when they were evaluated last."""
    return prometheus.own("prometheus_rule_group_last_duration_seconds")


def on_disk(hours=6):
    """Bytes of a sample in blocks: one agent's scrapes, written by promtool."""
    ticks = hours * 3600 // SCRAPE_SECONDS
    end = int(time.time()) // 7200 * 7200
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        text, blocks = pathlib.Path(folder) / "openmetrics", pathlib.Path(folder) / "blocks"
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
          "| all rules once, s | scrape p99, s | scrapes missed |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        print(fed(count), flush=True)


main()
