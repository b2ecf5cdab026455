# SPDX-License-Identifier: Apache-2.0
"""Says what the rules of proxies cost a real Prometheus, for many services whose week is invented:

  /usr/bin/python3 -B tests/monitoring/scale/proxies.py [--services 300]
"""

import argparse
import math
import pathlib
import random
import sys
import tempfile
import urllib.parse

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "system")]

import engines  # noqa: E402  pylint: disable=wrong-import-position
import month  # noqa: E402  pylint: disable=wrong-import-position
from prometheus import Prometheus  # noqa: E402  pylint: disable=wrong-import-position

DAYS, PACE, TIMES = 7, 240, 3
END = month.START + DAYS * month.DAY + 7200
GROUPS = {group["name"]: group for group in yaml.safe_load((engines.RULES / "proxies.yaml").read_text(encoding="utf-8"))["groups"]}
PROXIES = [rule["labels"]["proxy"] for rule in GROUPS["closewatch-proxies"]["rules"] if "proxy" in rule.get("labels", {})]


def week(services):
    """(name, labels, [(time, value)]) of what the pairs are made of."""
    chance = random.Random(7)
    moments = range(month.START, END, PACE)
    for number in range(services):
        service = {"service": f"service-{number}.shop"}
        level = [50 + 40 * math.sin(moment / 9000 + number) for moment in moments]
        yield "service:closewatch_close_wait_sockets:per_call", service, list(zip(moments, level))
        for proxy in PROXIES:
            yield "service:closewatch_proxy:value", service | {"proxy": proxy}, [
                (moment, one * chance.random()) for moment, one in zip(moments, level)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=300)
    services = parser.parse_args().services
    pairs, correlations = (GROUPS[name] for name in ("closewatch-proxy-pairs", "closewatch-proxy-correlations"))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = pathlib.Path(name)
        engines.write(directory / "input", week(services))
        month.ingest(directory, "input")
        apart = engines.seconds(pairs["interval"])
        for layer in month.layers(pairs["rules"]):
            month.backfill(directory, layer, month.START + 7200, END - apart, apart, engines.looking_back(apart))
        with Prometheus("{}", *engines.looking_back(apart), directory=directory) as prometheus:
            moment = END - apart - (END - month.START) % apart
            for group, pace in ((pairs, apart), (correlations, engines.seconds(correlations["interval"]))):
                before = prometheus.cpu_seconds()
                for _ in range(TIMES):
                    for rule in group["rules"]:
                        prometheus.read("/api/v1/query?" + urllib.parse.urlencode({"query": f"count({rule['expr']})", "time": moment}), timeout=300)
                took = (prometheus.cpu_seconds() - before) / TIMES
                print(f"{group['name']}: {services} services × {len(PROXIES)} proxies take {took:.2f} s of CPU each {pace} s, {60 * took / pace:.2f} s a minute")


if __name__ == "__main__":
    main()
