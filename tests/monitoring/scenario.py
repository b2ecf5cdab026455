# SPDX-License-Identifier: Apache-2.0
"""What clusters do, minute by minute, through the rules: promtool tests that are made of lists rather than written by hand.

    scenario = Scenario()
    scenario.pods("shop", "cart", {"cart-0": ramp(0, 60, 120)})
    scenario.asks("count(ALERTS)", 100, {"": 1})
    scenario.run(self)
"""

import itertools
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = pathlib.Path(os.environ.get("CLOSEWATCH_RULES", ROOT / "deploy/monitoring/rules"))


def groups():
    """Those of all files, in the order in which they need each other."""
    order = ["sockets", "services", "platform", "bursts", "proxies", "alerts"]
    return [group["name"] for name in order for group in yaml.safe_load((RULES / f"{name}.yaml").read_text())["groups"]]


def ramp(start, per_hour, minutes):
    """Whole sockets, as they are counted."""
    return [int(start + minute * per_hour / 60) for minute in range(minutes)]


def shorthand(values):
    """promtool's notation, runs of one value as one."""
    found = []
    for value, run in itertools.groupby("_" if value is None else value for value in values):
        times = len(list(run))
        text = value if isinstance(value, str) else f"{value:.12g}"
        if text == "stale" or times == 1:
            found += [text] * times
        elif text == "_":
            found.append(f"_x{times}")  # so many, where a value is there once more than it says
        else:
            found.append(f"{text}x{times - 1}")
    return " ".join(found)


def promtools(name, labels, values):
    """A series as promtool is told it."""
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": shorthand(values)}


class Scenario:
    """Series of one value for each step, and what is asked of them."""

    def __init__(self, minutes, step=1, rules=RULES, files=None):
        """`step` in minutes; a quarter for scrapes at other moments than evaluations (`scraped`)."""
        self.minutes, self.step = minutes, step
        self._rules, self._files = rules, files
        self._series, self._asked = [], []

    def series(self, name, labels, values):
        """`values`: a list with one for each step, None where there is none, or a number for all time."""
        if not isinstance(values, list):
            values = [values] * self.steps()
        self._series.append((name, labels, values))

    def told(self, start):
        """(name, labels, [(time, value)]) of all, the first step at the Unix time `start`. That nothing follows is the end of one."""
        step = int(60 * self.step)
        for name, labels, values in self._series:
            yield name, labels, [(start + step * number, value) for number, value in enumerate(values) if value not in (None, "stale")]

    def steps(self):
        return int(self.minutes / self.step) + 1

    def minutely(self, values):
        """What was written minute by minute, seen at each step."""
        return values[::self.step] if isinstance(values, list) else values

    def scraped(self, level, every, phase):
        """What is `level(second)`, as it is seen by scrapes `every` so many seconds, from `phase` on."""
        seconds = [int(60 * self.step) * number for number in range(self.steps())]
        return [level(second) if second % every == phase else None for second in seconds]

    def pod(self, namespace, workload, pod, stuck, *, kind="Deployment", node="a", oldest=None, container="app", held=None, **extra):
        """A pod whose agent knows it while `stuck` (minute by minute) has values; `held` likewise, where it looks for such."""
        stuck = stuck if isinstance(stuck, list) else [stuck] * (self.minutes + 1)
        stuck = stuck + [None] * (self.minutes + 1 - len(stuck))
        name = {"node": node, "namespace": namespace, "pod": pod} | extra
        alive = [one if one is None or one == "stale" else 1 for one in stuck]
        self.series("closewatch_pod_info", name | {"workload_kind": kind if workload else "", "workload": workload},
                    self.minutely(alive))
        self.series("closewatch_close_wait_stuck_sockets", name | {"container": container}, self.minutely(stuck))
        self.series("closewatch_close_wait_sockets", name | {"container": container, "direction": "outbound", "owes": "close"},
                    self.minutely(stuck))
        if held is not None:
            self.series("closewatch_closed_held_sockets", name | {"container": container}, self.minutely(held))
        since, age = 0, []
        for one in stuck:
            since = since + 60 if one and one != "stale" else 0
            age.append(one if one is None or one == "stale" else since)
        self.series("closewatch_close_wait_oldest_seconds", name, self.minutely(age if oldest is None else oldest))

    def calls(self, service, total, failed, *, metric="envoy_cluster_upstream_rq_xx", label="envoy_response_code_class",
              classes=("2", "5"), **labels):
        """Calls and failed ones a second, minute by minute."""
        every = {"envoy_cluster_name": service} | labels
        for name, rate in ((classes[0], [all_ - bad for all_, bad in zip(total, failed)]), (classes[1], failed)):
            self.series(metric, every | {label: name}, self.minutely([0, *itertools.accumulate(60 * one for one in rate)][:len(rate)]))

    def asks(self, expression, minute, wanted):
        """`wanted`: {labels as promtool writes them: value}."""
        self._asked.append({"expr": expression, "eval_time": f"{minute}m", "exp_samples": [
            {"labels": "{" + labels + "}" if not labels.endswith("}") else labels, "value": value}
            for labels, value in wanted.items()]})

    def asks_alerts(self, name, minute, wanted, **more):
        """How many of an alert fire."""
        which = ",".join([f'alertname=~"{name}"', 'alertstate="firing"', *(f'{key}=~"{value}"' for key, value in more.items())])
        self.asks(f"count(ALERTS{{{which}}}) or vector(0)", minute, {"": wanted})

    def asks_spells(self, name, minute, wanted, **more):
        """How often alerts of the name began to fire until then."""
        which = ",".join([f'alertname=~"{name}"', 'alertstate="firing"', *(f'{key}=~"{value}"' for key, value in more.items())])
        self.asks(f"sum(count_over_time((ALERTS{{{which}}} unless ALERTS{{{which}}} offset 1m)[{minute}m:1m])) or vector(0)",
                  minute, {"": wanted})

    def run(self, test, interval="1m"):
        names = [f"{name}.yaml" for name in self._files] if self._files else sorted(p.name for p in self._rules.glob("*.yaml"))
        known = {group["name"] for name in names for group in yaml.safe_load((self._rules / name).read_text())["groups"]}
        text = yaml.safe_dump({
            "evaluation_interval": interval, "rule_files": [str((self._rules / name).resolve()) for name in names],
            "group_eval_order": [name for name in groups() if name in known],
            "tests": [{"interval": f"{int(60 * self.step)}s", "input_series": [promtools(*one) for one in self._series],
                       "promql_expr_test": self._asked}]},
            default_flow_style=None, width=10 ** 9)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "test.yaml"
            path.write_text(text)
            done = subprocess.run(["promtool", "test", "rules", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
        said = re.sub(r"\n\s*(got|exp):", r" \1:", done.stdout)
        test.assertEqual(0, done.returncode, said[:6000])
