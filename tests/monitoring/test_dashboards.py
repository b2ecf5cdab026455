# SPDX-License-Identifier: Apache-2.0
"""Every query of every panel against a real Prometheus that holds the invented month, and what the dashboards say of it."""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import month
import panel_data
from dashboards import dashboards, drawn, interpolated, needs, panel_named, panels
from month import START, Prometheus

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "scale"))

from exposition import SCRAPE_SECONDS, Fleet, Shape  # noqa: E402  pylint: disable=wrong-import-position

ROOT = month.ROOT
RANGE = {"closewatch-fix": 30 * month.DAY, "closewatch-impact": 30 * month.DAY}
SIX_HOURS = 6 * 3600
EXPORTERS = {
    "Envoy": r"envoy|closewatch_burst|burst_attribution|closewatch_proxy",
    "kube-state-metrics": r"kube_|rollout",
    "ingress-nginx": r"nginx_ingress",
    "node_exporter": r"node_netstat|node_sockstat",
}
# A way to choose each variable that has no value of its own, for a pod that leaks.
CHOSEN = {"pod": "checkout-0-0", "namespace": "shop"}


class Asked:
    """A Prometheus at one moment."""

    def __init__(self, prometheus, moment):
        self.prometheus, self.moment = prometheus, moment

    def finds(self, query, instant, seconds, steps=300):
        """How many samples there are that are numbers."""
        asked = {"query": query} | ({"time": self.moment} if instant else {
            "start": self.moment - seconds, "end": self.moment, "step": max(month.SCRAPE, seconds // steps)})
        path = "/api/v1/query" if instant else "/api/v1/query_range"
        answer = json.loads(self.prometheus.read(f"{path}?{urllib.parse.urlencode(asked)}", timeout=120))
        samples = [sample for series in answer["data"]["result"] for sample in series.get("values", [series.get("value")])]
        return sum(not math.isnan(float(value)) for _, value in samples)

    def rows(self, panel, dashboard, letter, label, **chosen):
        """Of a table: {label: value} of the query with that letter."""
        target = next(one for one in panel["targets"] if one["refId"] == letter)
        query = interpolated(target["expr"], dashboard, RANGE.get(dashboard["uid"], SIX_HOURS), **chosen)
        return {labels[label]: value for labels, value in self.prometheus.query(query, at=self.moment, timeout=120)}


class Form(unittest.TestCase):
    def test_what_is_committed_is_what_the_source_renders(self):
        done = subprocess.run([ROOT / "scripts/dashboards", "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_their_uids_are_stable(self):
        self.assertEqual({uid: one["uid"] for uid, one in dashboards().items()},
                         {uid: uid for uid in ("closewatch-agent", "closewatch-fix", "closewatch-fleet", "closewatch-impact",
                                               "closewatch-pod")})

    def test_all_panels_say_what_they_show_and_ask_the_chosen_data_source(self):
        for uid, _, panel in drawn():
            with self.subTest(dashboard=uid, panel=panel["title"]):
                self.assertRegex(panel["description"], r"\.$")
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"]["uid"], "${datasource}")
                if panel["type"] == "timeseries":
                    self.assertTrue(panel["options"]["legend"]["showLegend"])

    def test_panels_do_not_overlap(self):
        for uid, dashboard in dashboards().items():
            taken = set()
            for panel in dashboard["panels"]:
                at = panel["gridPos"]
                cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
                self.assertFalse(cells & taken, f"{uid}: {panel['title']}")
                self.assertLessEqual(at["x"] + at["w"], 24)
                taken |= cells

    def test_links_lead_to_dashboards_and_name_what_their_table_has(self):
        links = 0
        for uid, _, panel in drawn():
            columns = set()
            for step in panel.get("transformations", []):
                columns |= set(step["options"].get("renameByName", {}).values())
            for override in panel["fieldConfig"]["overrides"]:
                for url in [link["url"] for one in override["properties"] if one["id"] == "links" for link in one["value"]]:
                    links += 1
                    to = re.match(r"/d/([\w-]+)\?", url).group(1)
                    self.assertIn(to, dashboards())
                    known = {one["name"] for one in dashboards()[to]["templating"]["list"]}
                    self.assertLessEqual(set(re.findall(r"var-(\w+)=", url)), known, f"{uid}: {url}")
                    self.assertLessEqual(set(re.findall(r'fields\["([^"]+)"\]', url)), columns, f"{uid}: {url}")
        self.assertGreater(links, 2)

    def test_a_panel_names_the_exporters_whose_series_it_asks_for(self):
        for uid, _, panel in drawn():
            asked = " ".join(target["expr"] for target in panel["targets"]).replace("service=~", "")
            found = {exporter for exporter, pattern in EXPORTERS.items() if re.search(pattern, asked)}
            with self.subTest(dashboard=uid, panel=panel["title"]):
                if panel["title"].startswith("Before and after"):  # its rows say so one by one
                    self.assertEqual(found, {"Envoy", "ingress-nginx", "kube-state-metrics"})
                else:
                    self.assertEqual(needs(panel), found)


class OverAMonth(unittest.TestCase):
    """With everything there."""

    @classmethod
    def setUpClass(cls):
        cls.month, directory = panel_data.built()
        cls.prometheus = cls.enterClassContext(Prometheus("{}", *month.QUICK, directory=directory))
        cls.leaking = Asked(cls.prometheus, panel_data.LEAKING)
        cls.end = Asked(cls.prometheus, panel_data.MOMENTS["end"])

    def test_every_query_of_every_panel_finds_data(self):
        asked = 0
        for uid, dashboard, panel in drawn():
            seconds = RANGE.get(uid, SIX_HOURS)
            for target in panel["targets"]:
                query = interpolated(target["expr"], dashboard, seconds, **CHOSEN)
                with self.subTest(dashboard=uid, panel=panel["title"], query=query):
                    at = self.end if uid in RANGE else self.leaking
                    self.assertGreater(at.finds(query, target.get("instant"), seconds), 0)
                asked += 1
        self.assertGreater(asked, 90)

    def test_every_variable_finds_values_and_every_annotation_an_event(self):
        for uid, dashboard in dashboards().items():
            for variable in dashboard["templating"]["list"]:
                if variable["type"] != "query" or variable["name"] == "cluster":  # no external label here
                    continue
                series, label = re.match(r"label_values\((.*), (\w+)\)$", variable["query"]["query"]).groups()
                query = f"count by ({label}) ({interpolated(series, dashboard, SIX_HOURS, **CHOSEN)})"
                with self.subTest(dashboard=uid, variable=variable["name"]):
                    found = self.prometheus.query(query, at=panel_data.LEAKING)
                    self.assertTrue([labels for labels, _ in found if labels.get(label)], query)
            for annotation in dashboard.get("annotations", {}).get("list", []):
                with self.subTest(dashboard=uid, annotation=annotation["name"]):
                    query = interpolated(annotation["expr"], dashboard, SIX_HOURS, **CHOSEN)
                    if annotation["name"] == "Alerts" and uid == "closewatch-agent":
                        self.assertEqual(self.leaking.finds(query, False, SIX_HOURS), 0)  # none of the agent's own fires
                    else:
                        self.assertGreater(Asked(self.prometheus, month.END).finds(query, False, 30 * month.DAY, 10_000), 0, query)

    def test_the_impact_of_one_burst_and_of_three_months(self):
        dashboard = dashboards()["closewatch-impact"]
        burst = {"Failed calls": 122_700, "Failed pages": 5_300, "Lost sessions": 1_600, "Revenue at risk": 3_800,
                 "Profit at risk": 940}
        for title, wanted in burst.items():
            query = interpolated(panel_named(dashboard, title)["targets"][0]["expr"], dashboard, 30 * month.DAY)
            self.assertAlmostEqual(self.prometheus.value(query), wanted, delta=0.011 * wanted, msg=title)
        scenarios = {"D": (6_400, 22_400, 45_000), "E": (15_000, 53_000, 107_000), "F": (3_800, 13_200, 26_700),
                     "G": (45_000, 160_000, 320_000)}
        for letter, wanted in scenarios.items():
            found = self.end.rows(panel_named(dashboard, "Three scenarios"), dashboard, letter, "scenario")
            for name, value in zip(("Low", "Middle", "High"), wanted):
                self.assertAlmostEqual(found[name], value, delta=0.02 * value, msg=f"{letter} {name}")

    def test_the_impact_that_was_measured_is_the_months(self):
        dashboard = dashboards()["closewatch-impact"]
        found = self.end.rows(panel_named(dashboard, "The model beside what was measured"), dashboard, "B", "factor")
        self.assertAlmostEqual(found["Calls a page"], month.CALLS_PER_PAGE, delta=0.1)
        self.assertAlmostEqual(found["Calls a second at peak"], sum(month.CALLS.values()), delta=5)
        self.assertAlmostEqual(found["Bursts in 30 days"], len(month.BURSTS), delta=0.01)
        leaks = sum(burst.cause in ("leak", "both") for burst in month.BURSTS)
        self.assertAlmostEqual(found["Bursts that came with a leak, %"], 100 * leaks / len(month.BURSTS), delta=0.1)
        failed = sum(burst.excess * burst.seconds for burst in month.BURSTS)
        measured = [panel for panel in panels(dashboard) if panel["title"] == "Failed calls"][1]
        query = interpolated(measured["targets"][0]["expr"], dashboard, 30 * month.DAY)
        self.assertAlmostEqual(self.prometheus.query(query, at=month.END - 1)[0][1], failed, delta=0.05 * failed)

    def test_before_and_after_are_the_months(self):
        dashboard = dashboards()["closewatch-fix"]
        panel = panel_named(dashboard, "Before and after")
        before, after, met = (self.end.rows(panel, dashboard, letter, "measure", workload="checkout",
                                               service="checkout.shop") for letter in "ABC")
        end = (panel_data.MOMENTS["end"] - START) // month.SCRAPE * month.SCRAPE
        day = month.DAY
        was = self.month.restarts("checkout", end - 23 * day, end - 16 * day) / 7
        self.assertGreater(was, 1)
        self.assertAlmostEqual(before["Restarts a day"], was, delta=0.3)
        self.assertEqual(after["Restarts a day"], 0)
        self.assertGreater(before["Stuck and held, at worst"], 300)
        self.assertEqual(after["Stuck and held, at worst"], 0)
        self.assertEqual(after["CLOSE_WAIT and held, median"], 0)
        self.assertAlmostEqual(before["p99 of the slowest service, s"], month.P99[0] / 1000, delta=0.001)
        self.assertAlmostEqual(after["p99 of the slowest service, s"], month.P99[1] / 1000, delta=0.001)
        self.assertAlmostEqual(before["Retries that succeed, %"], 100 * month.RETRY_SUCCESS[0], delta=0.001)
        self.assertAlmostEqual(after["Retries that succeed, %"], 100 * month.RETRY_SUCCESS[1], delta=0.1)
        self.assertEqual(before["Connections ended when idle, a day"], 0)
        self.assertAlmostEqual(after["Connections ended when idle, a day"], day * month.IDLE_TIMEOUTS, delta=100)
        self.assertAlmostEqual(after["Connections ended after their last request, a day"], day * month.MAX_REQUESTS, delta=100)
        for name, (was, now) in {
                "Connect timeouts a day": month.CONNECT_TIMEOUTS, "Connections that services announced to close, a day": month.CLOSE_NOTIFICATIONS,
                "Clients cut off by an Envoy, a day": month.CUT_OFF}.items():
            self.assertAlmostEqual(before[name], day * was, delta=0.01 * day * was, msg=name)
            self.assertAlmostEqual(after[name], day * now, delta=0.01 * day * now, msg=name)
        for name, event in (("Connections dropped by accept queues of its pods, a day", "listen_drops"),
                            ("Retransmission timeouts of its pods, a day", "retransmission_timeouts"), ("Resets sent by its pods, a day", "resets_sent")):
            for told, rate in zip((before, after), month.EVENTS[event]):
                self.assertAlmostEqual(told[name], 2 * day * rate, delta=0.02 * day * rate, msg=name)
        self.assertEqual((before["Calls that wait for a connection"], after["Calls that wait for a connection"]), month.WAITING)
        self.assertAlmostEqual(before["Ingress: success of the worst, %"], 100 - 100 * month.INGRESS_FAILED[0], delta=0.01)
        self.assertAlmostEqual(after["Ingress: success of the worst, %"], 100 - 100 * month.INGRESS_FAILED[1], delta=0.01)
        self.assertAlmostEqual(before["Ingress: p99 of the slowest, s"], month.P99[0] / 1000, delta=0.001)
        self.assertAlmostEqual(after["Ingress: p99 of the slowest, s"], month.P99[1] / 1000, delta=0.001)
        # Whose noise alone is above a tenth, in this month.
        self.assertEqual({name for name, good in met.items() if not good}, {"Remote closes with a call under way, %"})


class WithoutExporters(unittest.TestCase):
    """Where nobody but closewatch is scraped."""

    HOURS = 3
    END = START + HOURS * 3600
    WINDOWS = {"window": "30m", "before": "1h", "after": "1m"}

    @classmethod
    def setUpClass(cls):
        directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        fleet = Fleet(Shape(pods=4, leaking_share=0.5))
        ticks = cls.HOURS * 3600 // SCRAPE_SECONDS
        text = "".join(fleet.openmetrics(0, ticks, cls.END))
        cls.pod = re.search(r'closewatch_close_wait_peer_sockets{namespace="([^"]+)",pod="([^"]+)"', text).groups()
        scraped = "".join(f"scrape_samples_scraped 200 {at}\n" for at in range(START, cls.END, SCRAPE_SECONDS))
        (directory / "text").write_text(text.replace("# EOF\n", f"{scraped}# EOF\n"), encoding="utf-8")
        month.ingest(directory, "text")
        for layer in month.layers(month.recording_rules(directory)):
            month.backfill(directory, layer, START, cls.END - 60, interval=60)
        cls.asked = Asked(cls.enterClassContext(Prometheus("{}", *month.QUICK, directory=directory)), cls.END - 60)

    def test_only_what_needs_an_exporter_is_empty(self):
        namespace, pod = self.pod
        empty = set()
        for uid, dashboard, panel in drawn():
            for target in panel["targets"]:
                query = interpolated(target["expr"], dashboard, 3600, namespace=namespace, pod=pod, **self.WINDOWS)
                found = self.asked.finds(query, target.get("instant"), 3600)
                with self.subTest(dashboard=uid, panel=panel["title"], query=query):
                    if needs(panel):
                        # What a variable says is there nevertheless.
                        self.assertTrue(found == 0 or "vector($" in target["expr"])
                        empty.add((uid, panel["title"]))
                    else:  # a table of blind pods may be empty, and says what that means
                        self.assertTrue(found or panel["fieldConfig"]["defaults"].get("noValue"))
        self.assertGreater(len(empty), 20)

    def test_before_and_after_still_has_the_rows_of_sockets(self):
        dashboard = dashboards()["closewatch-fix"]
        found = self.asked.rows(panel_named(dashboard, "Before and after"), dashboard, "C", "measure", **self.WINDOWS)
        found = {name for name in found if "its pods" not in name}  # those of the kernel, where the agents tell them
        self.assertEqual(found, {"CLOSE_WAIT and held, median", "CLOSE_WAIT and held, at worst", "Stuck and held, at worst"})


if __name__ == "__main__":
    unittest.main()
