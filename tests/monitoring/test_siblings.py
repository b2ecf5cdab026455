# SPDX-License-Identifier: Apache-2.0
"""What is like the cases of the other tests, in other clothes: leaks by steps, pools that are rolled out, agents one after the other."""

import math
import random
import unittest

from scenario import Scenario, ramp

LEAK = "ClosewatchCloseWaitLeak"
FILES = ("sockets", "alerts")


def filled(minutes, level=25, fills=10):
    """A pool that fills after its start."""
    return [min(level, level * minute // fills) for minute in range(minutes)]


def lives(minutes, length, grows):
    """One pod that is restarted again and again."""
    return [value for _ in range(0, minutes + 1, length) for value in grows(length)][:minutes + 1]


class LeaksTest(unittest.TestCase):

    def scenario(self, hours, **more):
        return Scenario(hours * 60, files=FILES, **more)

    def test_steps_are_a_leak(self):
        """A job that forgets some each half hour, each hour; ten pods that forget two at the same moment."""
        asked = self.scenario(12)
        for every, many in ((20, 10), (30, 30), (60, 100), (45, 20)):
            asked.pod("shop", f"job-{every}", f"job-{every}-5d-x", [minute // every * many for minute in range(721)])
        for number in range(10):
            asked.pod("shop", "in-step", f"in-step-5d-{number}", [minute // 20 * 2 for minute in range(721)])
        asked.asks('count by (workload) (ALERTS{alertname="ClosewatchCloseWaitLeak",alertstate="firing"})', 300,
                   {f'workload="{name}"': 1 for name in ("job-20", "job-30", "job-60", "job-45", "in-step")})
        asked.asks_alerts(LEAK, 719, 5, scope="workload")
        asked.asks_spells(LEAK, 719, 5)
        asked.run(self)

    def test_a_slow_leak_of_many_pods_is_told_when_it_is_more_than_a_day_before(self):
        asked = Scenario(1800, step=4, files=FILES)
        for number in range(10):
            asked.pod("shop", "cart", f"cart-5d-{number}", [0] * number + ramp(0, 3, 1801))
        asked.asks_alerts(LEAK, 1400, 0)
        asked.asks_alerts(LEAK, 1796, 1, workload="cart", scope="workload")
        asked.run(self, "4m")

    def test_a_leak_beside_what_stays_is_restarted(self):
        """A sidecar's pool of 30 outlives the restarts of the container that leaks."""
        asked = self.scenario(8)
        for period in (60, 90):
            asked.pod("shop", f"cart-{period}", f"cart-{period}-5d-x", [30 + one for one in lives(480, period, lambda length: ramp(0, 60, length))])
        asked.asks_alerts(LEAK, 180, 2)
        asked.asks_alerts(LEAK, 479, 2)
        asked.asks_spells(LEAK, 479, 2)
        asked.run(self)

    def test_restarts_and_rollouts_of_other_lengths(self):
        asked = self.scenario(10)
        for period, rate in ((45, 60), (75, 30), (120, 20), (180, 16)):
            asked.pod("shop", f"cart-{period}", f"cart-{period}-5d-x", lives(600, period, lambda length, rate=rate: ramp(0, rate, length)))
        for length in (45, 70):  # of each set of three
            for life, begin in enumerate(range(0, 600, length)):
                for number in range(3):
                    asked.pod("shop", f"deployed-{length}", f"deployed-{length}-{life}-{number}",
                              [None] * (begin + number) + ramp(0, 60, length + number) + ["stale"])
        asked.asks_alerts(LEAK, 260, 6)
        asked.asks_alerts(LEAK, 599, 6)
        asked.asks_spells(LEAK, 599, 6)
        asked.run(self)

    def test_a_stateful_set_whose_pods_come_back_on_other_nodes(self):
        asked = self.scenario(8)
        for name, grows in (("leak", lambda length: ramp(0, 60, length)), ("pool", filled)):
            for number in range(3):
                nodes = {node: [None] * 481 for node in "abc"}
                for life, begin in enumerate(range(3 * number, 481, 60)):
                    alive = grows(57) + ["stale"]
                    nodes["abc"[(life + number) % 3]][begin:begin + len(alive)] = alive
                for node, values in nodes.items():
                    asked.pod("shop", name, f"{name}-{number}", values[:481], kind="StatefulSet", node=node)
        asked.asks_alerts(LEAK, 240, 1, workload="leak", scope="workload")
        asked.asks_spells(LEAK, 479, 1)
        asked.run(self)

    def test_of_two_clusters_and_two_replicas_only_one_leaks(self):
        """The same names in each, scraped by two replicas at other moments, 60 and 30 s apart."""
        asked = self.scenario(5, step=0.5)
        for cluster, rate in (("eu", 60), ("us", 0)):
            for replica, every, phase in (("a", 60, 0), ("b", 60, 30)):
                name = {"cluster": cluster, "prometheus_replica": replica, "node": "a", "namespace": "shop", "pod": "cart-5d-x"}
                asked.series("closewatch_pod_info", name | {"workload_kind": "Deployment", "workload": "cart"},
                             asked.scraped(lambda _: 1, every, phase))
                asked.series("closewatch_close_wait_stuck_sockets", name | {"container": "app"},
                             asked.scraped(lambda second, rate=rate: rate * second // 3600, every, phase))
        asked.asks_alerts(LEAK, 120, 1, cluster="eu")
        asked.asks_spells(LEAK, 299, 1)
        asked.run(self)

    def test_a_leak_among_pods_that_come_and_go(self):
        """Five pods leak 8 an hour each; an autoscaler adds fifteen and takes them away, each half hour."""
        asked = self.scenario(8)
        for number in range(5):
            asked.pod("shop", "cart", f"cart-5d-{number}", [0] * number + ramp(0, 8, 481))
        for life, begin in enumerate(range(10, 480, 30)):
            for number in range(15):
                asked.pod("shop", "cart", f"cart-5d-{life}-{number}", [None] * begin + [0] * 15 + ["stale"])
        asked.asks_alerts(LEAK, 240, 1, workload="cart")
        asked.asks_spells(LEAK, 479, 1)
        asked.run(self)


class PoolsTest(unittest.TestCase):

    def scenario(self, hours, **more):
        return Scenario(hours * 60, files=FILES, **more)

    def silent(self, asked):
        asked.asks_spells(LEAK, asked.minutes - 1, 0)
        asked.asks_spells("Closewatch.*", asked.minutes - 1, 0, severity="warning|critical", scope=".+")
        asked.run(self)

    def test_a_rollout_of_many_one_after_the_other(self):
        """50 pods, one a minute, each with a pool that fills in ten."""
        asked = self.scenario(8)
        for number in range(50):
            for life, begin, end in ((0, 0, 120 + number), (1, 120 + number, 300 + number), (2, 300 + number, 481)):
                asked.pod("shop", "cart", f"cart-{life}-{number}", [None] * begin + filled(end - begin) + ["stale"])
        self.silent(asked)

    def test_an_autoscaler_that_flaps(self):
        """From 5 to 20 pods and back, each half hour or each hour, with pools that fill at once or in ten minutes."""
        asked = self.scenario(8)
        for every, fills in ((30, 1), (30, 10), (60, 1), (60, 10)):
            workload = f"cart-{every}-{fills}"
            for number in range(5):
                asked.pod("shop", workload, f"{workload}-5d-{number}", filled(481, fills=fills))
            for life, begin in enumerate(range(10, 480, every)):
                for number in range(15):
                    asked.pod("shop", workload, f"{workload}-5d-{life}-{number}",
                              [None] * begin + filled(every // 2 + number % 3, fills=fills) + ["stale"])
        self.silent(asked)

    def test_agents_one_after_the_other(self):
        """60 nodes, an upgrade each four minutes that takes eight; a new agent knows no age at first, so for two minutes nothing is stuck."""
        asked = self.scenario(8)
        for node in range(60):
            away = 60 + 4 * node
            for instance, values in (("old", [25] * away + ["stale"]), ("new", [None] * (away + 8) + [0] * 2 + [25] * 480)):
                asked.pod("shop", "cart", f"cart-5d-{node}", values[:481], node=f"node-{node}", instance=instance, oldest=60)
        self.silent(asked)

    def test_an_agent_that_restarts_again_and_again(self):
        """Each 25 or 40 minutes it is away for six, and then knows no age for two."""
        asked = self.scenario(8)
        for every in (25, 40):
            for number, life in enumerate(range(0, 481, every)):
                values = [None] * life + ([0] * 2 if life else []) + [40] * (every - 8) + ["stale"]
                asked.pod("shop", f"each-{every}", f"each-{every}-5d-x", values[:481], instance=f"i{number}", oldest=60)
        self.silent(asked)

    def test_a_pool_that_is_restarted_again_and_again(self):
        asked = self.scenario(8)
        for every in (30, 40, 60, 90):
            for level in (10, 25, 100):
                asked.pod("shop", f"of-{level}-{every}", f"of-{level}-{every}-5d-x",
                          lives(480, every, lambda length, level=level: [0] * 3 + filled(length - 3, level)))
        self.silent(asked)

    def test_pools_that_take_more_once(self):
        """For weeks 20; then, at a peak, 80 within a quarter of an hour, and so for good."""
        asked = self.scenario(8)
        for number in range(4):
            asked.pod("shop", "cart", f"cart-5d-{number}", [20] * (100 + 5 * number) + [20 + 4 * one for one in range(15)] + [80] * 400)
        self.silent(asked)

    def test_a_daily_wave_of_many_pods(self):
        """From the lowest on, so that its first rise is not known to be a wave; 9 to 35 in each of three or ten pods, 4 to 12 in each of fifty."""
        asked = Scenario(2 * 1440, step=2, files=FILES)
        for workload, pods, least, most in (("ten", 10, 9, 35), ("three", 3, 9, 35), ("fifty", 50, 4, 12)):
            for number in range(pods):
                asked.pod("shop", workload, f"{workload}-5d-{number}", [
                    round((least + most) / 2 - (most - least) / 2 * math.cos(2 * math.pi * (minute + number) / 1440)) for minute in range(2881)])
        asked.asks(f'sum by (workload, scope) (count_over_time(ALERTS{{alertname="{LEAK}"}}[2d]))', 2880, {})
        asked.run(self, "2m")

    def test_churn_of_few_and_of_many(self):
        chance = random.Random(5)
        asked = self.scenario(6)
        for workload, pods in (("one", 1), ("many", 100)):
            for number in range(pods):
                asked.pod("shop", workload, f"{workload}-5d-{number}", [chance.choice((0, 0, 0, 1, 2, 5)) for _ in range(361)])
        self.silent(asked)


if __name__ == "__main__":
    unittest.main()
