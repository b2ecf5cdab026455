# SPDX-License-Identifier: Apache-2.0
"""A real leak, all the way to who is told: sockets, agents, Prometheus with the shipped rules, Alertmanager, a webhook."""

import contextlib
import glob
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request
import uuid

import yaml

from agent import HERE, Agent, Holder, cleaned_up, remove_cgroup, require, run, select, wait_for
from prometheus import Alertmanager, Prometheus

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy/monitoring/alertmanager.yml"
PEER = ("127.0.0.9", 443)
# Minutes become seconds; the shape of the rules stays.
SETTINGS = {
    "rules": {"interval": "1s", "detailInterval": "1s", "slowInterval": "10s", "hold": "10s"},
    "leak": {"sockets": 20, "window": "20s", "step": "10s", "for": "3s", "history": "5s", "keep": "8s", "startSeconds": 4, "settleSeconds": 2},
    "stuck": {"sockets": 20, "seconds": 1, "for": "1s"},
}


# Held sockets are looked for every six seconds here.
HELD_SETTINGS = SETTINGS | {
    "leak": SETTINGS["leak"] | {"window": "30s", "for": "6s", "history": "12s", "keep": "10s", "settleSeconds": 8}}
# A peer forgets within seconds, and keepalive notices.
HASTE = ("net.ipv4.tcp_fin_timeout=1", "net.ipv4.tcp_keepalive_time=1", "net.ipv4.tcp_keepalive_intvl=1",
         "net.ipv4.tcp_keepalive_probes=1")


class Webhook(contextlib.ExitStack):
    """Keeps what an Alertmanager sends, by path."""

    def __init__(self):
        super().__init__()
        self._lock = threading.Lock()
        self._messages = []

    def __enter__(self):
        super().__enter__()
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with webhook._lock:  # pylint: disable=protected-access
                    webhook._messages.append((self.path, message))  # pylint: disable=protected-access
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = self.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.callback(server.shutdown)
        return self

    def alerts(self, name, status):
        """(path, alert) for each time that it was told."""
        with self._lock:
            return [(path, alert) for path, message in self._messages for alert in message["alerts"]
                    if alert["labels"]["alertname"] == name and alert["status"] == status]


    def pages(self):
        """What each message to the pager is about."""
        with self._lock:
            return [message["groupLabels"]["alertname"] for path, message in self._messages if path == "/pager"]


class Pod(contextlib.ExitStack):
    """A pod as a kubelet lays it out, of one container, in a network namespace of its own."""

    def __init__(self, namespace, name, container):
        super().__init__()
        self.namespace, self.name, self.container = namespace, name, container
        self._tree = f"/cwlive-{os.getpid()}"

    def __enter__(self):
        super().__enter__()
        require("unshare", "nsenter", "ip")
        (unified,) = [os.path.dirname(file) for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                      for file in glob.glob(f"{root}/cgroup.controllers")]
        self.enter_context(cleaned_up(
            lambda: wait_for(lambda: remove_cgroup(self._tree), f"{self._tree} to be removed")))
        uid, number = str(uuid.uuid4()), os.urandom(32).hex()
        cgroup = pathlib.Path(f"{unified}{self._tree}/kubepods/pod{uid}/{number}")
        cgroup.mkdir(parents=True)
        logs = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))
        (logs / f"{self.namespace}_{self.name}_{uid}").mkdir()
        (logs / f"{self.name}_{self.namespace}_{self.container}-{number}.log").touch()
        self.flags = ("--pods.discovery", "kubernetes", "--paths.cgroup", unified + self._tree,
                      "--paths.pod_logs", str(logs), "--paths.container_logs", str(logs))
        self._join = ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup))
        process = subprocess.Popen([*self._join, "unshare", "--net", "sh", "-c",
                                    "ip link set lo up && echo up && exec sleep 100000"], stdout=subprocess.PIPE)

        def end():
            process.kill()
            process.wait()
        self.enter_context(cleaned_up(end))
        self.enter_context(process.stdout).readline()
        self._pid = process.pid
        return self

    def entering(self):
        """The command that runs another as a process of the container."""
        return (*self._join, "nsenter", f"--net=/proc/{self._pid}/ns/net")

    def leak(self, sockets, port):
        """Connections of the container that it does not close, until `with` ends."""
        return Holder("hold_close_wait.py", f"outbound,close,{PEER[0]},{port},{sockets},0",
                      prefix=self.entering())


def routing(url):
    """The shipped example, told where to send, and to be quick."""
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for route in (example["route"], *example["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    for receiver in example["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{url}/{receiver['name']}", "send_resolved": True}]
    return yaml.safe_dump(example)


def scraping(rules, agents, alertmanager):
    return yaml.safe_dump({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [f"{rules}/*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]}]},
        "scrape_configs": [{
            "job_name": "closewatch", "honor_labels": True,
            "static_configs": [{"targets": [f"127.0.0.1:{agent.port}" for agent in agents],
                                "labels": {"node": "node-a"}}]}]})


class LiveTest(unittest.TestCase):

    def test_a_leak_is_told_with_pod_container_and_peer_and_its_end_is_told_too(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (directory / "values.yaml").write_text(yaml.safe_dump({"prometheusRule": {"settings": SETTINGS}}))
        subprocess.run([ROOT / "scripts/rules", "-f", directory / "values.yaml", "-o", directory / "rules"], check=True)
        pod = self.enterContext(Pod("shop", "cart-0", "app"))
        # Two agents, as in an upgrade, and two replicas of Prometheus: still one alert.
        agents = [self.enterContext(Agent(*pod.flags, "--diagnosis.stuck_after", "1s")) for _ in range(2)]
        webhook = self.enterContext(Webhook())
        alertmanager = self.enterContext(Alertmanager(routing(webhook.url)))
        replicas = [self.enterContext(Prometheus(scraping(directory / "rules", agents, alertmanager))) for _ in range(2)]
        stuck = 'closewatch_close_wait_stuck_sockets{pod="cart-0",container="app"}'
        for prometheus in replicas:
            wait_for(lambda prometheus=prometheus: [value for _, value in prometheus.query(stuck)] == [0, 0],
                     "both agents to count no leak in each replica")
        self.assertTrue(select(agents[0].metrics(), "closewatch_pod_info", pod="cart-0"))

        with contextlib.ExitStack() as leaks:
            leaks.enter_context(pod.leak(20, PEER[1]))
            made = [20]

            def leaks_on_until_told():
                """Three more, once those before are seen to be stuck."""
                if (replicas[0].value(f"max({stuck})") or 0) >= made[-1]:
                    leaks.enter_context(pod.leak(3, PEER[1] + len(made)))
                    made.append(made[-1] + 3)
                return webhook.alerts("ClosewatchCloseWaitLeak", "firing")
            told = wait_for(leaks_on_until_told, "the leak to be told")
            for prometheus in replicas:
                wait_for(lambda prometheus=prometheus: prometheus.value(
                    'count(ALERTS{alertname="ClosewatchCloseWaitLeak",alertstate="firing"})') == 1, "each replica to fire it once")
        ended = wait_for(lambda: webhook.alerts("ClosewatchCloseWaitLeak", "resolved"), "the end to be told")

        (path, alert) = told[0]
        self.assertEqual("/tickets", path)
        self.assertEqual({"alertname": "ClosewatchCloseWaitLeak", "severity": "warning", "scope": "pod", "node": "node-a",
                          "namespace": "shop", "pod": "cart-0"}, alert["labels"])
        self.assertEqual("shop/cart-0 leaks TCP connections", alert["annotations"]["summary"])
        self.assertRegex(
            alert["annotations"]["description"],
            r"^The pod keeps \d+ sockets whose peers have ended the connection\. They still grow: \S+ an hour\. The peer of most is "
            r"127\.0\.0\.9:443, outbound\. Its container app owes most of them close\(\)\. Find the code path")
        self.assertNotIn("runbook_url", alert["annotations"])
        self.assertEqual({alert["fingerprint"]}, {one["fingerprint"] for _, one in told + ended})
        for prometheus in replicas:
            self.assertEqual([], prometheus.query('ALERTS{alertstate="firing",alertname=~"ClosewatchAgent.*"}'))
            self.assertNotIn("level=error", prometheus.log())
            self.assertNotIn("Evaluating rule failed", prometheus.log())

    def test_a_leak_whose_peers_reset_is_told_until_its_descriptors_are_gone(self):
        """Hardly one of its sockets is in CLOSE_WAIT for long, and none is in the end."""
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (directory / "values.yaml").write_text(yaml.safe_dump({"prometheusRule": {"settings": HELD_SETTINGS}}))
        subprocess.run([ROOT / "scripts/rules", "-f", directory / "values.yaml", "-o", directory / "rules"], check=True)
        pod = self.enterContext(Pod("shop", "cart-0", "app"))
        agent = self.enterContext(Agent(*pod.flags, "--diagnosis.stuck_after", "1s"))
        webhook = self.enterContext(Webhook())
        alertmanager = self.enterContext(Alertmanager(routing(webhook.url)))
        prometheus = self.enterContext(Prometheus(scraping(directory / "rules", [agent], alertmanager)))
        wait_for(lambda: prometheus.value("sum(closewatch_closed_held_sockets)") == 0, "the agent to have looked for held sockets")
        run(*pod.entering(), "sysctl", "-qw", *HASTE)
        leak = self.enterContext(subprocess.Popen(
            [*pod.entering(), sys.executable, "-B", HERE / "leaks/steady_leak.py", "5"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        self.enterContext(cleaned_up(leak.kill))
        leak.stdout.readline()

        def ask(what):
            leak.stdin.write(what + "\n")
            leak.stdin.flush()
            return int(leak.stdout.readline())
        firing = 'count(ALERTS{alertname="ClosewatchCloseWaitLeak",alertstate="firing",pod="cart-0"})'
        wait_for(lambda: (prometheus.value("sum(pod:closewatch_kept_sockets:growth)") or 0) > 0, "growth to be seen")
        wait_for(lambda: prometheus.value(firing) == 1, "the leak to be told")

        kept = ask("stop")
        everything = "sum(closewatch_close_wait_sockets) + sum(closewatch_closed_held_sockets)"
        wait_for(lambda: prometheus.value("sum(closewatch_closed_held_sockets)") == kept, "all of them to be held")
        self.assertEqual(kept, prometheus.value(everything))
        self.assertEqual(0, prometheus.value("sum(closewatch_close_wait_sockets)"))
        wait_for(lambda: prometheus.value("sum(closewatch_close_wait_left_held_total)")
                 == prometheus.value("sum(closewatch_close_wait_left_total)"), "all that have left to be known as held")
        self.assertEqual(0, prometheus.value("sum(closewatch_close_wait_left_closed_total)"))
        confirmed = "max_over_time(pod:closewatch_leak:confirmed[{}])".format(HELD_SETTINGS["leak"]["keep"])
        wait_for(lambda: prometheus.query(confirmed) == [], "the growth to be long over")
        self.assertEqual(1, prometheus.value(firing))
        self.assertEqual([], webhook.alerts("ClosewatchCloseWaitLeak", "resolved"))

        self.assertEqual(0, ask("close"))
        wait_for(lambda: prometheus.value(firing) is None, "the alert to end")
        wait_for(lambda: webhook.alerts("ClosewatchCloseWaitLeak", "resolved"), "the end to be told")
        self.assertEqual(0, prometheus.value("sum(closewatch_closed_held_sockets)"))

    def test_what_grows_is_not_told_as_stuck_too(self):
        """Inhibition, by the example's own rules."""
        webhook = self.enterContext(Webhook())
        alertmanager = self.enterContext(Alertmanager(routing(webhook.url)))
        cart = {"severity": "warning", "scope": "workload", "namespace": "shop", "workload_kind": "Deployment", "workload": "cart"}
        stuck = cart | {"alertname": "ClosewatchCloseWaitStuck"}  # information is told to nobody
        self.send(alertmanager, [cart | {"alertname": "ClosewatchCloseWaitLeak"}, stuck, stuck | {"workload": "till"}])
        wait_for(lambda: webhook.alerts("ClosewatchCloseWaitStuck", "firing"), "the other workload's to be told")
        wait_for(lambda: webhook.alerts("ClosewatchCloseWaitLeak", "firing"), "the leak to be told")
        self.assertEqual({"till"}, {alert["labels"]["workload"]
                                    for _, alert in webhook.alerts("ClosewatchCloseWaitStuck", "firing")})

    def test_a_flood_is_a_page_for_each_cause(self):
        """200 pods of a workload at the end of their descriptors, and calls to it fail."""
        webhook = self.enterContext(Webhook())
        alertmanager = self.enterContext(Alertmanager(routing(webhook.url)))
        cart = {"namespace": "shop", "workload": "cart"}
        flood = [{"alertname": "ClosewatchExhaustionAhead", "resource": "descriptors", "severity": severity, "namespace": "shop",
                  "node": "a", "pod": f"cart-{number}", "container": "app"} for severity in ("critical", "warning") for number in range(200)]
        flood += [cart | {"alertname": "ClosewatchBurstWithLeak", "severity": "critical", "service": "cart.shop"},
                  cart | {"alertname": "ClosewatchCloseWaitLeak", "severity": "warning", "scope": "workload", "workload_kind": "Deployment"},
                  {"alertname": "ClosewatchCloseWaitLeak", "severity": "warning", "scope": "pod", "namespace": "pay", "pod": "till-0"}]
        self.send(alertmanager, flood)
        wait_for(lambda: webhook.alerts("ClosewatchCloseWaitLeak", "firing"), "another leak to be told")
        wait_for(lambda: len(webhook.alerts("ClosewatchExhaustionAhead", "firing")) >= 200, "the end of descriptors to be told")
        wait_for(lambda: webhook.alerts("ClosewatchBurstWithLeak", "firing"), "the burst to be told")
        self.assertEqual({"critical"}, {alert["labels"]["severity"]
                                        for _, alert in webhook.alerts("ClosewatchExhaustionAhead", "firing")})
        self.assertEqual({"pay"}, {alert["labels"]["namespace"] for _, alert in webhook.alerts("ClosewatchCloseWaitLeak", "firing")})
        self.assertEqual({"/pager"}, {path for name in ("ClosewatchExhaustionAhead", "ClosewatchBurstWithLeak")
                                      for path, _ in webhook.alerts(name, "firing")})
        self.assertEqual(["ClosewatchBurstWithLeak", "ClosewatchExhaustionAhead"], sorted(webhook.pages()))

    @staticmethod
    def send(alertmanager, alerts):
        """All at once."""
        asked = urllib.request.Request(f"{alertmanager.url}/api/v2/alerts", json.dumps([{"labels": one} for one in alerts]).encode(),
                                       {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked) as answer:
            answer.read()


class RoutingTest(unittest.TestCase):

    def route(self, **labels):
        done = subprocess.run(["amtool", "config", "routes", "test", f"--config.file={EXAMPLE}",
                               *(f"{key}={value}" for key, value in labels.items())],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return done.stdout.strip()

    def test_the_example_is_valid(self):
        done = subprocess.run(["amtool", "check-config", EXAMPLE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout)

    def test_each_alert_goes_where_it_should(self):
        owners = {}
        for path in (ROOT / "deploy/monitoring/rules").glob("*.yaml"):
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
                for rule in group["rules"]:
                    if "alert" in rule:
                        owners.setdefault(rule["alert"], set()).add(self.route(alertname=rule["alert"], **rule["labels"]))
        self.assertEqual({
            "ClosewatchBurstWithLeak": {"pager"}, "ClosewatchAcceptStalled": {"pager"},
            "ClosewatchCloseWaitLeak": {"tickets"}, "ClosewatchCloseWaitStuck": {"nobody"},
            "ClosewatchExhaustionAhead": {"tickets", "pager"}, "ClosewatchAgentDown": {"platform"},
            "ClosewatchAgentStale": {"platform"}, "ClosewatchScansFailing": {"platform"},
            "ClosewatchPodNotVisible": {"platform"}, "ClosewatchBudgetStretched": {"platform"},
            "ClosewatchEngineDisagrees": {"platform"},
            "ClosewatchLabelsExported": {"platform"}, "ClosewatchServicesUnmatched": {"nobody"}}, owners)


if __name__ == "__main__":
    unittest.main()
