# SPDX-License-Identifier: Apache-2.0
"""Other engines for the shipped rules: the Prometheus of Debian 13, and vmalert with VictoriaMetrics of Debian 12.

What they read is the input of all tests of single rules (tests/monitoring/rules), each in a cluster of its own, and what the installed
Prometheus records of it. Each engine evaluates each rule at the same moments of the same data; so what they record is equal as a whole
if each rule is. vmalert replays the rules from one VictoriaMetrics into another.
"""

import collections
import contextlib
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import yaml

import month
from prometheus import Prometheus, Server

RULES = month.ROOT / "deploy/monitoring/rules"
CACHE = pathlib.Path.home() / ".cache/closewatch"
MINUTES = 240
END = month.START + MINUTES * 60
SERIES = re.compile(r"(\w[\w:]*)(?:\{(.*)\})?$", re.S)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
VALUES = re.compile(r"(?P<empty>_)(?:x(?P<gaps>\d+))?$|(?P<first>-?[\d.e]+|-?Inf|NaN)(?:(?P<step>[+-][\d.e]+))?(?:x(?P<times>\d+))?$")


def expanded(text):
    """Of promtool's notation: a value for each interval, None where there is none."""
    found = []
    for word in text.split():
        if word == "stale":
            found.append(None)
            continue
        said = VALUES.match(word)
        assert said, word
        if said["empty"]:
            found += [None] * int(said["gaps"] or 1)
        else:
            found += [float(said["first"]) + float(said["step"] or 0) * number for number in range(int(said["times"] or 0) + 1)]
    return found


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def told():
    """(name, labels, [(time, value)]) of all tests of rules, each in a cluster of its own."""
    case = 0
    for path in sorted((month.HERE / "rules").glob("*.yaml")):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            case += 1
            pace = seconds(test["interval"])
            for series in test["input_series"]:
                name, inside = SERIES.match(series["series"].strip()).groups()
                labels = dict(LABEL.findall(inside or ""))
                labels["cluster"] = f"case-{case}-{labels.get('cluster', '')}"
                values = expanded(str(series["values"]))[:MINUTES * 60 // pace]
                yield name, labels, [(month.START + number * pace, value) for number, value in enumerate(values) if value is not None]


def write(path, series):
    """(name, labels, [(time, value)]) as OpenMetrics, in which the samples of a name must be together."""
    by_name = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, labels, samples in series:
        inside = ",".join(f'{key}="{text}"' for key, text in sorted(labels.items()))
        by_name[name][inside] += samples
    with open(path, "w", encoding="utf-8") as file:
        for name, found in sorted(by_name.items()):
            for inside, samples in sorted(found.items()):
                first = dict(reversed(samples))  # a test may name a series twice
                file.writelines(f"{name}{{{inside}}} {value:.17g} {at}\n" for at, value in sorted(first.items()))
        file.write("# EOF\n")


def rules():
    return [(group.get("interval", "1m"), rule) for path in sorted(RULES.glob("*.yaml"))
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def named(labels):
    return tuple(sorted((key, value) for key, value in labels.items() if value))


def unpacked(binary, pattern, directory):
    """Of a Debian package in the cache, without installing it; None where there is none, or nothing that starts here."""
    packages = sorted(CACHE.glob(pattern))
    if not packages or not shutil.which("dpkg"):
        return None
    subprocess.run(["dpkg", "-x", packages[-1], directory], check=True)
    found = directory / "usr/bin" / binary
    return found if subprocess.run([found, "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0 else None


class OtherPrometheus(Prometheus):

    def __init__(self, binary, directory):
        super().__init__("{}", *looking_back(60), directory=directory)
        self._binary = binary

    def command(self, configuration):
        return [self._binary, *super().command(configuration)[1:]]


class VictoriaMetrics(Server):
    """Empty at first. `-search.maxLookback` is Prometheus' lookback-delta."""

    def __init__(self, binary):
        super().__init__("")
        self.program = str(binary)

    def command(self, configuration):
        return [self.program, f"-storageDataPath={self.directory / 'data'}", f"-httpListenAddr=127.0.0.1:{self.port}",
                "-retentionPeriod=100y", "-search.disableCache", "-search.latencyOffset=0s", "-search.maxLookback=59800ms"]

    def _is_ready(self):
        with contextlib.suppress(OSError):
            return bool(self.read("/health"))
        return False

    def load(self, directory):
        """All that a Prometheus has in its directory."""
        done = subprocess.run(["promtool", "tsdb", "dump", directory / "data"], stdout=subprocess.PIPE, check=True)
        text = re.sub(rb'^\{(.*?)__name__="([^"]+)"(?:, )?(.*)\} (\S+) (\d+)$', rb"\2{\1\3} \4 \5", done.stdout, flags=re.M)
        self.post("/api/v1/import/prometheus", text)
        self.read("/internal/force_flush")

    def post(self, path, body):
        with urllib.request.urlopen(f"{self.url}{path}", body, timeout=120) as answer:
            answer.read()

    def exported(self):
        self.read("/internal/force_flush")
        for line in self.read("/api/v1/export?" + urllib.parse.urlencode({"match[]": '{__name__!=""}'}), timeout=120).splitlines():
            yield json.loads(line)


def looking_back(interval):
    """Flags for a Prometheus that looks back a little less than this, since promtool marks no end of a series."""
    return (*month.QUICK[:-1], f"--query.lookback-delta={1000 * interval - 200}ms")


def built(directory, series, begin, end, interval=60):
    """Those series and what the rules record of them, in directory/data for a Prometheus."""
    write(directory / "input", series)
    month.ingest(directory, "input")
    for layer in month.layers([rule for _, rule in rules() if "record" in rule]):
        month.backfill(directory, layer, begin, end, interval=interval, flags=looking_back(interval))


def asked(prometheus, begin, end):
    """{(rule's name, labels): {time: value}} by the rules' own expressions."""
    found = {}
    for interval, rule in rules():
        query = urllib.parse.urlencode({"query": rule["expr"], "start": begin, "end": end, "step": seconds(interval)})
        answer = json.loads(prometheus.read(f"/api/v1/query_range?{query}", timeout=120))
        for series in answer["data"]["result"]:
            labels = {key: value for key, value in series["metric"].items() if key != "__name__"} | rule.get("labels", {})
            key = (rule.get("record") or rule["alert"], named(labels))
            found.setdefault(key, {}).update({round(at): float(value) for at, value in series["values"]})
    return found


def without_texts(directory):
    """The rules without annotations: vmalert's replay asks no queries for texts."""
    for path in RULES.glob("*.yaml"):
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        (directory / path.name).write_text(yaml.safe_dump(groups), encoding="utf-8")


def replayed(vmalert, source, target, begin, end):
    """The same, by vmalert; of an alert 1 while it waits or fires."""
    without_texts(target.directory)
    stamp = [datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (begin, end)]
    done = subprocess.run([vmalert, f"-rule={target.directory}/*.yaml", f"-datasource.url={source.url}", f"-remoteWrite.url={target.url}",
                           f"-replay.timeFrom={stamp[0]}", f"-replay.timeTo={stamp[1]}", "-replay.rulesDelay=1ms", "-replay.maxDatapointsPerQuery=1", "-datasource.queryStep=0s",
                           "-replay.disableProgressBar", "-disableAlertgroupLabel", "-remoteWrite.flushInterval=100ms"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-600:]
    found = {}
    for series in target.exported():
        labels = series["metric"]
        name = labels.pop("__name__")
        if name == "ALERTS_FOR_STATE":
            continue
        if name == "ALERTS":
            name = labels.pop("alertname")
            labels.pop("alertstate")
        at = found.setdefault((name, named(labels)), {})
        at.update({round(when / 1000): value for when, value in zip(series["timestamps"], series["values"])})
    return found
