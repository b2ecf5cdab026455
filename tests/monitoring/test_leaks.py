# SPDX-License-Identifier: Apache-2.0
"""What clusters do to sockets, and who is called for it: leaks, pools, restarts, rollouts, the end of descriptors."""

import math
import pathlib
import subprocess
import tempfile
import unittest

from scenario import ROOT, Scenario, ramp

LEAK, STUCK = "ClosewatchCloseWaitLeak", "ClosewatchCloseWaitStuck"
FILES = ("sockets", "alerts")


def sawtooth(top, period, minutes, phase=0):
    return [int(top * ((minute + phase) % period) / period) for minute in range(minutes)]


class LeaksTest(unittest.TestCase):

    def scenario(self, hours, **more):
        return Scenario(hours * 60, files=FILES, **more)

    def test_few_in_each_of_many_pods_is_one_leak_of_the_workload(self):
        """200 pods that get a socket every two hours, and 20 with 19 an hour."""
        for pods, an_hour in ((200, 0.5), (20, 19)):
            with self.subTest(pods=pods):
                asked = self.scenario(5)
                for number in range(pods):
                    asked.pod("shop", "cart", f"cart-5d-{number}", [0] * (30 + number * 7 % 120) + ramp(0, an_hour, 400))
                asked.asks_alerts(LEAK, 20, 0)
                asked.asks_alerts(LEAK, 298, 1, workload="cart", scope="workload")
                asked.asks_alerts(LEAK, 298, 1)
                asked.asks_spells(LEAK, 298, 1)
                asked.run(self)

    def test_few_in_each_of_many_pods_that_stay_are_one_information(self):
        asked = self.scenario(3)
        for number in range(200):
            asked.pod("shop", "cart", f"cart-5d-{number}", [0] * 30 + [3] * 200)
        asked.asks_alerts(f"{LEAK}|{STUCK}", 170, 1, workload="cart", severity="info")
        asked.asks_spells("Closewatch.*", 179, 1, scope=".+")
        asked.run(self)

    def test_a_leak_that_is_restarted_is_one_alert_that_lasts(self):
        asked = self.scenario(8)
        for top, period in ((23, 60), (60, 60), (45, 90)):
            asked.pod("shop", f"cart-{top}", f"cart-{top}-5d-x", sawtooth(top, period, 481))
        asked.asks_alerts(LEAK, 180, 3)
        asked.asks_alerts(LEAK, 479, 3)
        asked.asks_spells(LEAK, 479, 3)
        asked.run(self)

    def test_a_leak_that_is_rolled_out_is_one_alert_that_lasts(self):
        asked = self.scenario(6)
        for pods in (1, 4):
            for life, begin in enumerate(range(0, 360, 40)):
                for number in range(pods):
                    asked.pod("shop", f"of-{pods}", f"of-{pods}-{life}-{number}",
                              [None] * (begin + number) + ramp(0, 60, 40 + number) + ["stale"])
        asked.asks_alerts(LEAK, 120, 2)
        asked.asks_alerts(LEAK, 358, 2)
        asked.asks_spells(LEAK, 358, 2)
        asked.run(self)

    def test_a_leak_whose_peers_reset_lasts_until_its_descriptors_are_gone(self):
        """One a minute: in CLOSE_WAIT, where a RST ends it after some minutes, and held from then on. After two hours nothing comes any
        more, after six all is closed. One pod has a workload, one has none; a third one's sockets have all been closed by then."""
        asked = self.scenario(9)
        stuck = [min(minute, 11) for minute in range(120)] + [max(0, 11 - minute) for minute in range(421)]
        held = [max(0, minute - 11) for minute in range(120)] + [min(120, 109 + minute) for minute in range(240)] + [0] * 181
        for workload, pod in (("cart", "cart-5d-x"), ("", "legacy")):
            asked.pod("shop", workload, pod, stuck, held=held)
        asked.pod("shop", "pay", "pay-5d-x", [min(minute, 11) for minute in range(120)] + [0] * 421, held=[0] * 541)
        asked.asks_alerts(LEAK, 20, 0)
        asked.asks_alerts(LEAK, 80, 2)
        asked.asks_alerts(LEAK, 119, 2)
        asked.asks_alerts(LEAK, 355, 1, workload="cart", scope="workload")
        asked.asks_alerts(LEAK, 355, 1, pod="legacy", scope="pod")
        asked.asks_alerts(LEAK, 375, 0)
        asked.asks_spells(LEAK, 539, 2)
        asked.asks("sum by (workload) (workload:closewatch_closed_held_sockets:sum{workload!=''})", 300, {'workload="cart"': 120, 'workload="pay"': 0})
        asked.asks("sum(namespace:closewatch_closed_held_sockets:sum)", 300, {"": 240})
        asked.run(self)

    def test_what_is_held_for_hours_is_information_without_a_socket_in_close_wait(self):
        asked = self.scenario(5)
        for workload, pod in (("cart", "cart-5d-x"), ("", "legacy")):
            asked.pod("shop", workload, pod, [0] * 301, held=[0] * 30 + [9] * 271)
        asked.asks_alerts(STUCK, 80, 0)
        asked.asks_alerts(STUCK, 240, 1, workload="cart", severity="info")
        asked.asks_alerts(STUCK, 240, 1, pod="legacy", severity="info")
        asked.asks_spells(LEAK, 299, 0)
        asked.run(self)

    def test_a_leak_ends_when_it_has_not_come_back_for_as_long_as_it_is_kept(self):
        asked = self.scenario(6)
        asked.pod("shop", "cart", "cart-5d-x", [0] * 10 + ramp(0, 60, 120) + [0] * 400)
        asked.asks_alerts(LEAK, 20, 0)
        asked.asks_alerts(LEAK, 80, 1)
        asked.asks_alerts(LEAK, 200, 1)
        asked.asks_alerts(LEAK, 300, 0)
        asked.run(self)

    def test_an_idle_pool_is_information_at_most(self):
        """Full at once or within half an hour of each start, of which there are two, and as it is for the rest of the time."""
        asked = self.scenario(8)
        for fills in (1, 10, 30):
            start = [0] * 5 + [int(25 * minute / fills) for minute in range(fills)] + [25] * (175 - fills)
            asked.pod("shop", f"cart-{fills}", f"cart-{fills}-5d-x", start * 2 + [25] * 121)
        asked.asks_spells(LEAK, 479, 0)
        asked.asks_alerts(STUCK, 470, 3, severity="info")
        asked.asks_alerts("Closewatch.*", 470, 0, severity="warning|critical", scope=".+")
        asked.run(self)

    def test_a_pool_that_breathes_is_information_at_most(self):
        asked = Scenario(3 * 1440, step=5, files=FILES)
        for least, most in ((9, 35), (90, 350)):
            middle, half = (least + most) / 2, (most - least) / 2
            asked.pod("shop", f"to-{most}", f"to-{most}-5d-x",
                      [round(middle + half * math.sin(2 * math.pi * minute / 1440 - 1)) for minute in range(3 * 1440 + 1)])
        asked.asks(f'count(count_over_time(ALERTS{{alertname="{LEAK}"}}[1d])) or vector(0)', 3 * 1440, {"": 0})
        asked.run(self, "5m")

    def test_churn_of_many_healthy_pods_is_nothing(self):
        asked = self.scenario(3)
        for number in range(200):
            asked.pod("shop", "cart", f"cart-5d-{number}",
                      [1 if (minute + number * 7) % 60 < 6 else 0 for minute in range(181)])
        asked.asks_spells("Closewatch.*", 179, 0, scope=".+")
        asked.run(self)

    def test_an_agent_that_restarts_and_a_container_that_becomes_known_are_nothing(self):
        """A new agent knows no age at first, so nothing is stuck for a minute; and who made a socket may be learnt late."""
        asked = self.scenario(5)
        asked.pod("shop", "away", "away-5d-x", [40] * 60 + ["stale"], instance="old")
        asked.pod("shop", "away", "away-5d-x", [None] * 90 + [0] * 2 + [40] * 210, instance="new", oldest=0)
        name = {"node": "a", "namespace": "shop", "pod": "known-5d-x"}
        asked.series("closewatch_pod_info", name | {"workload_kind": "Deployment", "workload": "known"}, 1)
        for container, values in (("unknown", [40] * 60 + [0] * 241), ("app", [0] * 60 + [40] * 241)):
            asked.series("closewatch_close_wait_stuck_sockets", name | {"container": container}, values)
        asked.asks_spells(LEAK, 299, 0)
        asked.run(self)

    def test_one_pod_that_leaks_among_many_is_named(self):
        asked = self.scenario(4)
        for number in range(100):
            asked.pod("shop", "cart", f"cart-5d-{number}", ramp(0, 20, 241) if number == 7 else 0)
        asked.asks_alerts(LEAK, 200, 1, pod="cart-5d-7", scope="pod", workload="cart")
        asked.asks_alerts(LEAK, 200, 1)
        asked.run(self)

    def test_no_phase_of_a_scrape_hides_a_leak_or_makes_one(self):
        """Sixty an hour, with a restart; a pool that fills in ten minutes; one socket that comes and goes."""
        asked = self.scenario(4, step=0.25)
        levels = {"leak": lambda second: (second % 7200) // 60, "pool": lambda second: min(25, second // 24),
                  "churn": lambda second: 1 if second % 3600 < 360 else 0}
        phases = [(every, phase) for every in (15, 30, 60, 120) for phase in range(0, every, 15 if every < 120 else 45)]
        for every, phase in phases:
            for kind, level in levels.items():
                workload = f"{kind}-{every}-{phase}"
                name = {"node": "a", "namespace": "shop", "pod": f"{workload}-5d-x"}
                asked.series("closewatch_pod_info", name | {"workload_kind": "Deployment", "workload": workload},
                             asked.scraped(lambda _: 1, every, phase))
                asked.series("closewatch_close_wait_stuck_sockets", name | {"container": "app"}, asked.scraped(level, every, phase))
        asked.asks_alerts(LEAK, 110, len(phases), workload="leak.*")
        asked.asks_alerts(LEAK, 239, len(phases), workload="leak.*")
        asked.asks_spells(LEAK, 239, len(phases))
        asked.run(self)

    def test_pools_that_may_idle_are_chosen_by_label(self):
        """A workload, a namespace; neither alert nor evidence, of the whole or of a single pod."""
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (directory / "values.yaml").write_text('prometheusRule: {settings: {leak: {idle: \'workload=~"pool|one",namespace=~"shop|pay"\'}}}')
        subprocess.run([ROOT / "scripts/rules", "-f", directory / "values.yaml", "-o", directory / "rules"], check=True)
        asked = self.scenario(4, rules=directory / "rules")
        for namespace, workload in (("shop", "pool"), ("pay", "pool"), ("shop", "cart"), ("bank", "pool")):
            asked.pod(namespace, workload, f"{workload}-5d-x", ramp(0, 60, 241))
        for number in range(100):
            asked.pod("shop", "one", f"one-5d-{number}", ramp(0, 20, 241) if number == 7 else 0)
        asked.asks(f'count by (namespace, workload) (ALERTS{{alertname="{LEAK}",alertstate="firing"}})', 230,
                   {'namespace="shop",workload="cart"': 1, 'namespace="bank",workload="pool"': 1})
        asked.asks("count by (namespace, workload) (workload:closewatch_leak:evidence == 1)", 230,
                   {'namespace="shop",workload="cart"': 1, 'namespace="bank",workload="pool"': 1})
        asked.run(self)

    def test_a_pod_without_a_workload_is_named(self):
        asked = self.scenario(4)
        asked.pod("netns", "", "legacy", ramp(0, 60, 241))
        asked.asks_alerts(LEAK, 200, 1, pod="legacy")
        asked.run(self)


class HoldTest(unittest.TestCase):

    def test_a_lost_scrape_is_no_gap_and_a_pod_that_has_gone_is_not_held_for_ever(self):
        """Lost after 20 minutes for two; one after 40 for good. What is there after a gap is what counts, none as well."""
        asked = Scenario(60, files=FILES)
        asked.pod("shop", "cart", "cart-0", [7] * 20 + ["stale", None] + [3] * 18 + ["stale"])
        asked.pod("shop", "cart", "cart-1", [7] * 20 + ["stale", None] + [0] * 50)
        for minute, wanted in ((19, 14), (20, 14), (21, 14), (22, 3), (40, 3), (43, 3), (47, 0), (58, 0)):
            asked.asks('sum(workload:closewatch_close_wait_sockets:sum{workload="cart"})', minute, {"": wanted})
            asked.asks("sum(pod:closewatch_close_wait_sockets:max) or vector(0)", minute, {"": wanted})
        asked.run(self)


if __name__ == "__main__":
    unittest.main()
