# SPDX-License-Identifier: Apache-2.0
"""What dashboards show beyond what the rules read, for the invented month: six hours of it up to two moments.

    python3 tests/monitoring/panel_data.py DIRECTORY       the month and this, in DIRECTORY/data, for tests/monitoring/preview
"""

import atexit
import functools
import os
import pathlib
import random
import sys
import tempfile

if __name__ == "__main__":
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import month  # noqa: E402  pylint: disable=wrong-import-position

HOURS = 6
# In the middle of a burst that a leak has caused, while another leak begins; and the end of the month.
LEAKING = month.START + list(month.leak_bursts())[7].start + 900
MOMENTS = {"leaking": LEAKING, "end": month.END - month.SCRAPE}
BLIND = {"a": (("sandbox", "build-0", "sandboxed"), ("ops", "collector-x2", "denied")), "b": (("shop", "report-7", "no_process"),)}
STATES = ("syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "last_ack", "listen", "closing")


def steps_until(moment):
    last = (moment - month.START) // month.SCRAPE
    return range(last - HOURS * 3600 // month.SCRAPE, last + 1)


def write_pod(to, pod, steps, chance):
    seen = [step for step in pod.steps() if step in steps]
    if not seen:
        return
    name = {"namespace": "shop", "pod": pod.name}
    agent = {"job": "closewatch", "node": pod.node, "instance": f"{pod.node}:10088"}
    around = {"time_wait": 12, "fin_wait2": 3, "listen": 2}
    for state in STATES:
        level = around.get(state, 0)
        values = {step: level if state == "listen" else chance.randint(level // 2, level) for step in seen}
        to.series("closewatch_pod_sockets", agent | name | {"state": state}, values, seen)
    sockets = {step: abs(pod.close_wait[step]) for step in seen}
    to.series("closewatch_close_wait_unread_bytes", agent | name, {step: 800 * sockets[step] for step in seen}, seen)
    entered = left = 0
    came, went = {}, {}
    for step in seen:
        change = sockets[step] - sockets.get(step - 1, sockets[step])
        passing = chance.randint(1, 4)
        entered, left = entered + passing + max(0, change), left + passing + max(0, -change)
        came[step], went[step] = entered, left
    to.series("closewatch_close_wait_entered_total", agent | name, came, seen)
    to.series("closewatch_close_wait_left_total", agent | name, went, seen)
    to.series("closewatch_close_wait_left_closed_total", agent | name, {step: went[step] * 9 // 10 for step in seen}, seen)
    to.series("closewatch_close_wait_left_held_total", agent | name, {step: went[step] // 10 for step in seen}, seen)
    waiting = {step: min(128, sockets[step] // 3) for step in seen}
    to.series("closewatch_listen_backlog_sockets", agent | name | {"port": "8443"}, waiting, seen)
    to.constant("closewatch_listen_backlog_limit", agent | name | {"port": "8443"}, 128, seen)
    firing = [step for step in seen if sockets[step] > 60]
    to.constant("ALERTS", name | {"alertname": "ClosewatchCloseWaitLeak", "alertstate": "firing", "severity": "warning",
                                  "container": "app"}, 1, firing)


def write_agent(to, node, steps, chance):
    agent = {"job": "closewatch", "node": node, "instance": f"{node}:10088"}
    for state, level in {"established": 30, "listen": 12, "time_wait": 9, "close_wait": 0}.items():
        to.series("closewatch_node_sockets", agent | {"state": state},
                  {step: chance.randint(level * 3 // 4, level) for step in steps}, steps)
    errors = 0
    happened = {}
    for step in steps:
        errors += chance.random() < 0.04
        happened[step] = errors
    to.series("closewatch_scan_errors_total", agent | {"stage": "namespace"}, happened, steps)
    for stage in ("discovery", "metadata", "decode"):
        to.constant("closewatch_scan_errors_total", agent | {"stage": stage}, 0, steps)
    for feature in ("cgroup_id", "tcp_info", "netns_cookie", "metadata_api", "socket_inode"):
        to.constant("closewatch_feature_enabled", agent | {"feature": feature}, int(feature != "socket_inode"), steps)
    to.constant("closewatch_unnamed_pods", agent, 0, steps)
    to.constant("scrape_samples_scraped", agent, 171 if node == "a" else 204, steps)
    for namespace, pod, reason in BLIND[node]:
        to.constant("closewatch_pod_visible", agent | {"namespace": namespace, "pod": pod, "reason": reason}, 0, steps)
        to.constant("closewatch_pod_info", agent | {"namespace": namespace, "pod": pod, "uid": pod, "workload_kind": "",
                                                    "workload": "", "host_network": "false"}, 1, steps)


def write(path, moment, fleet):
    chance = random.Random(moment)
    with open(path, "w", encoding="ascii") as file:
        to = month.Exposition(file)
        for pod in fleet:
            write_pod(to, pod, steps_until(moment), chance)
        for node in "ab":
            write_agent(to, node, steps_until(moment), chance)
        file.write("# EOF\n")


def add(directory, fleet):
    """To a month that has been built in the directory. Rules that look back over days have been asked for only at its end."""
    for name, moment in MOMENTS.items():
        write(directory / name, moment, fleet)
        month.ingest(directory, name)
    for layer in month.layers(month.recording_rules(directory)):
        rules = [rule for rule in layer if month.LATE.search(rule["record"])]
        if rules:
            month.backfill(directory, rules, LEAKING - 2 * month.RULE_INTERVAL, LEAKING)


@functools.cache
def built():
    """The month and a directory with it and with all this; the same for all tests of a run.

    CLOSEWATCH_MONTH names a directory that an earlier run of this file has made.
    """
    if "CLOSEWATCH_MONTH" in os.environ:
        return month.Month(), pathlib.Path(os.environ["CLOSEWATCH_MONTH"])
    directory = tempfile.TemporaryDirectory(dir="/var/tmp")
    atexit.register(directory.cleanup)
    return build(pathlib.Path(directory.name))


def build(directory):
    made = month.build(directory)
    add(directory, made.pods)
    return made, directory


if __name__ == "__main__":
    TO = pathlib.Path(sys.argv[1])
    TO.mkdir(parents=True)
    build(TO)
