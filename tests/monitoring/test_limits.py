# SPDX-License-Identifier: Apache-2.0
"""The end of descriptors and of accept queues, and who watches those who watch."""

import math
import unittest

from scenario import Scenario, ramp

AHEAD = "ClosewatchExhaustionAhead"
DOWN, STALE = "ClosewatchAgentDown", "ClosewatchAgentStale"


class DescriptorsTest(unittest.TestCase):

    def leaking(self, minutes, open_, limit, close_wait):
        asked = Scenario(minutes, files=("sockets", "alerts"))
        name = {"namespace": "shop", "pod": "cart-0", "container": "app"}
        asked.pod("shop", "cart", "cart-0", close_wait)
        if limit:
            asked.series("closewatch_descriptors_open", name | {"node": "a"}, open_)
            asked.series("closewatch_descriptors_limit", name | {"node": "a"}, limit)
        return asked

    def test_it_is_told_until_it_is_mended_by_each_process_own_limit(self):
        """3 a minute from 100 on, to 1,024 or 4,096, and there it stays until the restart at 600m."""
        for limit, minutes in ((1024, 308), (1800, 566)):
            with self.subTest(limit=limit):
                close_wait = ramp(0, 180, minutes)
                close_wait += [close_wait[-1]] * (600 - minutes) + [0] * 61
                asked = self.leaking(660, [min(limit, one + 100) for one in close_wait], limit, close_wait)
                asked.asks_alerts(AHEAD, 20, 0)
                asked.asks_alerts(AHEAD, minutes - 120, 1, severity="warning")
                asked.asks_alerts(AHEAD, minutes - 120, 0, severity="critical")
                asked.asks_alerts(AHEAD, minutes - 20, 1, severity="critical")
                asked.asks_alerts(AHEAD, 598, 1, severity="critical", resource="descriptors")
                asked.asks_alerts(AHEAD, 625, 0)
                for severity in ("warning", "critical"):
                    asked.asks_spells(AHEAD, 659, 1, severity=severity)
                asked.run(self)

    def test_at_the_limit_some_come_and_go(self):
        """Between 85 % and all, minute by minute, as calls fail and end; and 150 descriptors that are open for a moment each hour."""
        asked = self.leaking(360, [100] * 60 + [1024 - minute % 7 * 25 for minute in range(301)], 1024, [0] * 60 + [700] * 301)
        asked.asks_alerts(AHEAD, 355, 1, severity="critical")
        asked.asks_spells(AHEAD, 359, 1, severity="critical")
        asked.run(self)
        asked = self.leaking(360, [800 + 150 * (minute % 60 < 2) for minute in range(361)], 1024, 700)
        asked.asks_spells(AHEAD, 359, 0, severity="critical")
        asked.run(self)

    def test_without_a_limit_of_its_own_that_of_the_settings_counts(self):
        close_wait = ramp(10000, 6000, 560)
        close_wait += [close_wait[-1]] * 100
        asked = self.leaking(660, None, None, close_wait)
        asked.asks_alerts(AHEAD, 380, 1, severity="warning")
        asked.asks_alerts(AHEAD, 655, 1, severity="critical")
        asked.run(self)

    def test_what_others_open_is_not_told_of_sockets(self):
        """1,000 of 1,024 are open, and hardly any is in CLOSE_WAIT."""
        asked = self.leaking(120, 1000, 1024, 3)
        asked.asks_spells(AHEAD, 119, 0)
        asked.run(self)

    def test_a_jump_is_no_trend(self):
        asked = self.leaking(180, [100] * 60 + [600] * 121, 1024, [0] * 60 + [500] * 121)
        asked.asks_spells(AHEAD, 179, 0, severity="critical")
        asked.run(self)

    def test_descriptors_of_connections_that_are_over_count(self):
        asked = self.leaking(300, [min(1024, one + 100) for one in ramp(0, 300, 301)], 1024, 0)
        asked.series("closewatch_closed_held_sockets", {"node": "a", "namespace": "shop", "pod": "cart-0", "container": "app"},
                     [min(924, one) for one in ramp(0, 300, 301)])
        asked.asks_alerts(AHEAD, 290, 1, severity="critical")
        asked.asks_alerts("ClosewatchCloseWaitLeak", 150, 1, workload="cart")
        asked.run(self)


class QueuesTest(unittest.TestCase):

    def test_a_queue_of_one_is_full_by_one_and_means_nothing(self):
        asked = Scenario(60, files=("sockets", "alerts"))
        for waiting, limit in ((1, 1), (2, 1), (1, 0), (5, 4), (60, 50), (129, 128)):
            name = {"node": "a", "namespace": "shop", "pod": f"of-{limit}-{waiting}", "port": "80"}
            asked.series("closewatch_listen_backlog_sockets", name, waiting)
            asked.series("closewatch_listen_backlog_limit", name, limit)
        asked.asks('count by (pod) (ALERTS{alertname="ClosewatchAcceptStalled",alertstate="firing"})', 50, {'pod="of-50-60"': 1, 'pod="of-128-129"': 1})
        asked.run(self)


class WatcherTest(unittest.TestCase):

    def agents(self, minutes, **more):
        return Scenario(minutes, files=("sockets", "alerts", "services"), **more)

    def node(self, asked, node, up, labels=None, known=1, ready=1):
        if up is not None:
            asked.series("up", {"job": "closewatch", "node": node, "instance": f"{node}:10088"} | (labels or {}), up)
        asked.series("kube_node_info", {"node": node, "os_image": "Debian"}, known)
        asked.series("kube_node_status_condition", {"node": node, "condition": "Ready", "status": "true"}, ready)

    def test_nodes_without_an_agent(self):
        asked = self.agents(1700, step=5)
        self.node(asked, "good", 1)
        self.node(asked, "gone", [1] * 12 + ["stale"])
        self.node(asked, "never", None)
        self.node(asked, "lost", [1] * 12 + [0] * 340, ready=[1] * 12 + [0] * 340)
        self.node(asked, "removed", [1] * 12 + ["stale"], known=[1] * 12 + ["stale"])
        self.node(asked, "other-job", 1, {"job": "scrape-closewatch"})
        self.node(asked, "new-target", [1] * 6 + [0] * 18 + ["stale"])
        asked.series("up", {"job": "closewatch", "node": "new-target", "instance": "new"}, [None] * 6 + [1] * 340)
        asked.series("kube_node_info", {"node": "win", "os_image": "Windows Server 2022"}, 1)
        for minute in (100, 1690):
            asked.asks('count by (node, cause) (ALERTS{alertname="ClosewatchAgentDown",alertstate="firing"})', minute, {
                'node="gone",cause="gone"': 1, 'node="never",cause="gone"': 1, 'node="other-job",cause="gone"': 1})
        asked.run(self, "5m")

    def test_all_gone(self):
        asked = self.agents(120)
        self.node(asked, "a", [1] * 30 + ["stale"])
        asked.series("closewatch_build_info", {"job": "agents", "instance": "x"}, 1)
        asked.asks('count by (cause) (ALERTS{alertname="ClosewatchAgentDown",alertstate="firing"})', 100, {'cause="absent"': 1})
        asked.run(self)

    def test_no_age_of_a_scrape_and_no_clock_is_a_stale_agent(self):
        """Scraped every minute or two, by clocks a minute apart in either direction; two agents stop."""
        for step in (1, 2):
            with self.subTest(step=step):
                asked = self.agents(180, step=step)
                for skew in (-60, -30, 0, 30, 60):
                    for age in (0, 9):
                        stops = [minute * 60 + skew - age for minute in range(181)]
                        for kind, values in (("runs", stops), ("stops", [min(one, 3600) for one in stops])):
                            name = {"node": f"{kind}{skew}-{age}", "instance": "i"}
                            asked.series("closewatch_scan_timestamp_seconds", name, asked.minutely(values))
                            asked.series("closewatch_scan_interval_seconds", name, 10)
                asked.asks_spells(STALE, 59, 0)
                asked.asks_alerts(STALE, 80, 10, node="stops.*")
                asked.asks_alerts(STALE, 170, 10)
                asked.run(self)

    def test_no_phase_of_a_scrape_is_a_stale_agent(self):
        """Scraped every 15 s to a minute, at all quarters of the minute between two evaluations."""
        asked = self.agents(90, step=0.25)
        for every in (15, 30, 60):
            for phase in range(0, every, 15):
                for skew in (-60, 0, 60):
                    for kind, until in (("runs", math.inf), ("stops", 3600)):
                        name = {"node": f"{kind}-{every}-{phase}{skew}", "instance": "i"}
                        asked.series("closewatch_scan_timestamp_seconds", name, asked.scraped(
                            lambda second, until=until, skew=skew: min(second, until) // 10 * 10 + skew, every, phase))
                        asked.series("closewatch_scan_interval_seconds", name, asked.scraped(lambda _: 10, every, phase))
        asked.asks_spells(STALE, 60, 0)
        asked.asks_alerts(STALE, 80, 21, node="stops.*")
        asked.asks_alerts(STALE, 80, 21)
        asked.run(self)

    def test_scrapes_that_move_the_victims_names_are_told_and_blame_nobody(self):
        asked = Scenario(120, files=("sockets", "services", "platform", "bursts", "alerts"))
        agent = {"job": "closewatch", "namespace": "monitoring", "pod": "closewatch-x", "exported_namespace": "shop",
                 "exported_pod": "cart-0", "node": "a"}
        asked.series("up", {"job": "closewatch", "instance": "i"}, 1)
        asked.series("closewatch_pod_info", agent | {"workload": "cart", "workload_kind": "Deployment"}, 1)
        asked.series("closewatch_close_wait_stuck_sockets", agent | {"container": "app"}, ramp(0, 100, 121))
        asked.series("closewatch_close_wait_oldest_seconds", agent, [60 * one for one in range(121)])
        asked.series("closewatch_close_wait_sockets", agent | {"container": "app", "direction": "inbound", "owes": "accept"}, 30)
        asked.series("closewatch_pod_visible", agent | {"reason": "denied"}, 0)
        asked.series("kube_pod_container_status_restarts_total",
                     {"job": "ksm", "namespace": "monitoring", "pod": "ksm-0", "exported_pod": "cart-0", "container": "app"},
                     [0] * 60 + [1] * 61)
        asked.asks('count by (alertname, source, job) (ALERTS{alertstate="firing"})', 110, {
            'alertname="ClosewatchLabelsExported",source="closewatch",job="closewatch"': 1,
            'alertname="ClosewatchLabelsExported",source="kube-state-metrics",job="ksm"': 1})
        asked.asks('count({__name__=~"pod:.*"}) or vector(0)', 62, {"": 0})
        asked.run(self)

    def test_services_of_which_none_has_a_workload(self):
        asked = Scenario(120, files=("sockets", "services", "alerts"))
        asked.series("up", {"job": "closewatch", "instance": "i"}, 1)
        asked.pod("shop", "cart", "cart-0", 0, cluster="eu")
        asked.calls("cart.shop", [5] * 121, [0] * 121)
        asked.asks_alerts("ClosewatchServicesUnmatched", 110, 1, severity="info")
        asked.run(self)
        asked = Scenario(120, files=("sockets", "services", "alerts"))
        asked.series("up", {"job": "closewatch", "instance": "i"}, 1)
        asked.pod("shop", "cart", "cart-0", 0)
        asked.calls("cart.shop", [5] * 121, [0] * 121)
        asked.calls("httproute/shop/cart/rule/0", [5] * 121, [0] * 121)
        asked.asks_spells("ClosewatchServicesUnmatched", 110, 0)
        asked.run(self)


if __name__ == "__main__":
    unittest.main()
