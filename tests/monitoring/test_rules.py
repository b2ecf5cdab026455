# SPDX-License-Identifier: Apache-2.0
"""promtool on the rules: each alert and each recording rule is right, and none has been forgotten."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHIPPED = sorted((ROOT / "deploy/monitoring/rules").glob("*.yaml"))
TESTS = sorted((HERE / "rules").glob("*.yaml"))


def call(*command):
    """Status and all that was said."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.returncode, done.stdout


def rules_in(path):
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


class RulesTest(unittest.TestCase):

    def test_the_shipped_rules_are_up_to_date(self):
        self.assertEqual((0, ""), call(ROOT / "scripts/rules", "--check"))

    def test_promtool_finds_nothing_wrong(self):
        status, said = call("promtool", "check", "rules", "--lint=all", "--lint-fatal", *SHIPPED)
        self.assertEqual(0, status, said)

    def test_they_do_what_they_say(self):
        for path in TESTS:
            with self.subTest(path.name):
                status, said = call("promtool", "test", "rules", path)
                self.assertEqual(0, status, said)

    def test_every_recording_rule_is_asked_for(self):
        asked = "\n".join(case["expr"] for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]
                          for case in test.get("promql_expr_test", []))
        for path in SHIPPED:
            for rule in rules_in(path):
                if "record" in rule:
                    self.assertRegex(asked, re.escape(rule["record"]) + r"(?![\w:])")

    def test_every_alert_is_seen_to_fire_and_to_keep_silent(self):
        cases = [case for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]
                 for case in test.get("alert_rule_test", [])]
        for path in SHIPPED:
            for rule in rules_in(path):
                if "alert" in rule:
                    mine = [case["exp_alerts"] for case in cases if case["alertname"] == rule["alert"]]
                    fired = [one for fires in mine for one in fires]
                    self.assertTrue([one for one in fired if rule["labels"].items() <= one["exp_labels"].items()],
                                    f"{rule['alert']} {rule['labels']} never fires in a test")
                    self.assertIn([], mine, f"{rule['alert']} is never silent in a test")

    def test_every_alert_has_its_runbook(self):
        alerts = {rule["alert"] for path in SHIPPED for rule in rules_in(path) if "alert" in rule}
        runbooks = {path.stem: path for path in (ROOT / "docs/runbooks").glob("Closewatch*.md")}
        self.assertEqual(alerts, set(runbooks))
        for runbook in runbooks.values():
            headings = re.findall(r"^## (.*)$", runbook.read_text(), re.M)
            self.assertEqual(["Meaning", "Impact", "Diagnosis", "Mitigation"], headings, runbook)

    def test_every_alert_says_the_first_step(self):
        """Whoever is woken has it before them, also where there is no link to a runbook."""
        for path in SHIPPED:
            for rule in rules_in(path):
                if "alert" in rule:
                    said = re.sub(r"\{\{.*?\}\}", "", rule["annotations"]["description"])
                    self.assertRegex(said, r"(^|[.;] +)(Compare|Find|Keep|Look|Read|Report|Restart|See|Set|Take)\b|: report it",
                                     f"{rule['alert']} {rule['labels']}")

    def test_every_recording_rule_is_documented(self):
        page = (ROOT / "docs/rules.md").read_text()
        told = set(re.findall(r"`([a-z]+:\w+:\w+)`", page))
        self.assertEqual({rule["record"] for path in SHIPPED for rule in rules_in(path) if "record" in rule}, told)


class SettingsTest(unittest.TestCase):

    def render(self, values):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (directory / "values.yaml").write_text(yaml.safe_dump({"prometheusRule": {"settings": values}}))
        return *call(ROOT / "scripts/rules", "-f", directory / "values.yaml", "-o", directory / "out"), directory / "out"

    def test_a_service_may_be_named_by_another_label_in_another_way(self):
        """One label for caller and callee, as proxies have it that run beside each application."""
        status, said, out = self.render({"envoy": {
            "serviceLabel": "source", "selector": 'mesh="blue",', "pattern": "mesh[.]ns[.](.+)-production",
            "namespace": "$1-production", "workload": "$1"}})
        self.assertEqual(0, status, said)
        test = out / "test.yaml"
        test.write_text(yaml.safe_dump({
            "evaluation_interval": "1m",
            "group_eval_order": ["closewatch-sockets", "closewatch-services"],
            "rule_files": [str(out / "sockets.yaml"), str(out / "services.yaml")],
            "tests": [{"interval": "1m", "input_series": [
                {"series": 'closewatch_pod_info{namespace="web-production",pod="w-0",workload="web"}', "values": "1x20"},
                {"series": 'closewatch_close_wait_sockets{namespace="web-production",pod="w-0",container="app",'
                           'direction="outbound",owes="close"}', "values": "7x20"},
                {"series": 'envoy_cluster_upstream_rq_xx{mesh="blue",source="mesh.ns.web-production",'
                           'envoy_cluster_name="x.y",envoy_response_code_class="5"}', "values": "0+60x20"},
                {"series": 'envoy_cluster_upstream_rq_xx{mesh="red",source="mesh.ns.web-production",'
                           'envoy_response_code_class="5"}', "values": "0+6000x20"}],
                       "promql_expr_test": [
                {"expr": "service:envoy_cluster_upstream_rq_5xx:rate5m", "eval_time": "10m", "exp_samples": [
                    {"labels": 'service:envoy_cluster_upstream_rq_5xx:rate5m{service="mesh.ns.web-production"}',
                     "value": 1}]},
                {"expr": "service:closewatch_close_wait_sockets:sum", "eval_time": "10m", "exp_samples": [
                    {"labels": 'service:closewatch_close_wait_sockets:sum{service="mesh.ns.web-production"}',
                     "value": 7}]}]}]}))
        status, said = call("promtool", "test", "rules", test)
        self.assertEqual(0, status, said)

    def test_alerts_carry_a_link_where_there_is_somewhere_to_go(self):
        status, said, out = self.render({"alerts": {"runbooks": "https://wiki.example.org/closewatch"}})
        self.assertEqual(0, status, said)
        linked = [rule for path in sorted(out.glob("*.yaml")) for rule in rules_in(path) if "alert" in rule]
        self.assertGreater(len(linked), 20)
        for rule in linked:
            self.assertEqual(f"https://wiki.example.org/closewatch/{rule['alert']}.md", rule["annotations"]["runbook_url"])
        for path in SHIPPED:
            for rule in rules_in(path):
                self.assertNotIn("runbook_url", rule.get("annotations", {}), "there is no address yet")

    def test_a_setting_that_is_none_is_refused(self):
        status, said, _ = self.render({"leak": {"socket": 3}})
        self.assertEqual(1, status)
        self.assertIn("prometheusRule.settings.leak.socket is no setting", said)
