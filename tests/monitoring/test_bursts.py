# SPDX-License-Identifier: Apache-2.0
"""Bursts as they come in clusters: which are some, for how long, how many calls they cost, and what came before them."""

import math
import random
import unittest

from scenario import Scenario, ramp

FILES = ("sockets", "services", "platform", "bursts")


def flat(value, minutes):
    return [value] * minutes


class Asked(Scenario):
    """Pods and calls of `shop/NAME`, whose calls go to NAME.shop."""

    def __init__(self, minutes, files=FILES, **more):
        super().__init__(minutes, files=files, **more)

    def started(self, pod, at, namespace="shop"):
        self.series("kube_pod_start_time", {"namespace": namespace, "pod": pod}, at)

    def service(self, name, stuck=0, pods=2):
        for number in range(pods):
            self.pod("shop", name, f"{name}-5d-{number}", stuck if number == 0 else 0)
            self.started(f"{name}-5d-{number}", -90000)

    def asks_classes(self, minute, wanted):
        """{service: class} of all that were attributed until then, each once."""
        self.asks(f"sum by (service, class) (sum_over_time(service:closewatch_burst:attributed[{minute}m]))", minute,
                  {f'service="{name}",class="{cls}"': 1 for name, cls in wanted.items()})


class BurstsTest(unittest.TestCase):

    def test_little_traffic_that_fails_is_a_burst_and_much_that_fails_as_always_is_none(self):
        asked = Asked(240)
        for rate in (0.5, 4):
            asked.calls(f"few-{rate}.shop", flat(rate, 241), [0] * 120 + [rate] * 40 + [0] * 81)
        asked.calls("busy.shop", flat(100, 100) + [100 + 46 * one for one in range(100)] + flat(4700, 41),
                    [0.5] * 100 + [0.005 * (100 + 46 * one) for one in range(100)] + flat(23.5, 41))
        asked.calls("always.shop", flat(10, 241), flat(2, 241))
        asked.calls("one.shop", flat(0.01, 241), [0] * 120 + [0.01] * 40 + [0] * 81)
        asked.asks("sum by (service) (sum_over_time(service:closewatch_burst:started[4h])) > 0", 239,
                   {'service="few-0.5.shop"': 1, 'service="few-4.shop"': 1})
        asked.run(self)

    def test_a_burst_lasts_as_long_as_it_is(self):
        """20 minutes after installation; for 21 hours; half of the time."""
        asked = Asked(1500, step=2)
        fails = 0.05 * 10
        early = [0] * 20 + [fails] * 30 + [0] * 1451
        long_ = [0] * 120 + [fails] * 1260 + [0] * 121
        often = ([0] * 30 + [fails] * 30) * 25 + [0]
        for name, failed in (("early", early), ("long", long_), ("often", often)):
            asked.calls(f"{name}.shop", flat(10, 1501), failed)
        asked.asks('round(sum by (service) (sum_over_time(service:closewatch_burst_excess_5xx:rate5m[1500m])) * 120 '
                   '/ on (service) sum by (service) (sum_over_time(service:envoy_cluster_upstream_rq_5xx:rate5m[1500m]) * 120), 0.1)', 1499,
                   {'service="early.shop"': 1, 'service="long.shop"': 1, 'service="often.shop"': 1})
        asked.asks("sum by (service) (sum_over_time(service:closewatch_burst:started[1500m])) > 0", 1499,
                   {'service="early.shop"': 1, 'service="long.shop"': 1, 'service="often.shop"': 25})
        asked.run(self, "2m")

    def test_failed_calls_that_a_series_is_born_with_count(self):
        asked = Asked(120)
        labels = {"envoy_cluster_name": "cart.shop", "instance": "e"}
        name = "envoy_cluster_upstream_rq_xx"
        asked.series(name, labels | {"envoy_response_code_class": "2"}, [6000 * one for one in range(121)])
        asked.series(name, labels | {"envoy_response_code_class": "5"}, [None] * 60 + [3000] * 61)
        # Istio's own metric, seen by two replicas.
        for replica in "01":
            istio = {"envoy_cluster_name": "outbound|80||pay.shop.svc.cluster.local", "prometheus_replica": replica}
            asked.series("envoy_cluster_upstream_rq", istio | {"response_code_class": "2xx"}, [6000 * one for one in range(121)])
            asked.series("envoy_cluster_upstream_rq", istio | {"response_code_class": "5xx"}, [None] * 60 + [3000] * 61)
        # An Envoy that is new to Prometheus, not new.
        for cls in "25":
            asked.series(name, labels | {"instance": "f", "envoy_response_code_class": cls}, [None] * 60 + [9e6] * 61)
        asked.asks("round(sum_over_time(service:envoy_cluster_upstream_rq_5xx:rate5m[1h]) * 60)", 100,
                   {'service="cart.shop"': 3000, 'service="outbound|80||pay.shop.svc.cluster.local"': 3000})
        asked.run(self)

    def test_istios_own_metrics_and_inbound_clusters(self):
        asked = Asked(180)
        asked.calls("outbound|80||cart.shop.svc.cluster.local", flat(10, 181), [0] * 60 + [5] * 30 + [0] * 91,
                    metric="envoy_cluster_upstream_rq", label="response_code_class", classes=("2xx", "5xx"))
        asked.calls("inbound|8080||", flat(10, 181), [0] * 60 + [5] * 30 + [0] * 91)
        asked.asks("round(service:envoy_cluster_upstream_rq:rate5m, 0.01)", 70, {'service="outbound|80||cart.shop.svc.cluster.local"': 10})
        asked.asks("sum by (service) (sum_over_time(service:closewatch_burst:started[2h])) > 0", 170,
                   {'service="outbound|80||cart.shop.svc.cluster.local"': 1})
        asked.run(self)

    def test_what_came_before(self):
        """Each fails from 360m to 390m, but for `unrelated`."""
        asked = Asked(450)
        fails = [0] * 360 + [2] * 30 + [0] * 61
        wanted = {}
        def burst(name, cls, failed=fails, total=20):
            asked.calls(f"{name}.shop", flat(total, 451), failed)
            wanted[f"{name}.shop"] = cls
        burst("exhausted", "leak")
        asked.service("exhausted", [0] * 240 + ramp(0, 60, 50) + [50] * 161)
        burst("slow", "leak")
        asked.service("slow", [0] * 20 + ramp(0, 6, 431))
        burst("calm", "neither")
        asked.service("calm")
        # 200 pods, each with one for six minutes of the hour; 0.12 % of 4,700 calls.
        asked.calls("unrelated.shop", flat(4700, 451), [0.47] * 360 + [5.64] * 30 + [0.47] * 61)
        wanted["unrelated.shop"] = "neither"
        for number in range(200):
            asked.pod("shop", "unrelated", f"unrelated-5d-{number}", [1 if (minute + 7 * number) % 60 < 6 else 0 for minute in range(451)])
            asked.started(f"unrelated-5d-{number}", -90000)
        # A restart ends it, three minutes after it began: the cure.
        burst("cured", "leak", [0] * 360 + [0.05, 0.1, 0.2, 2, 2] + [0] * 86)
        asked.service("cured", [0] * 260 + ramp(0, 60, 105) + [0] * 86)
        asked.series("kube_pod_container_status_restarts_total", {"namespace": "shop", "pod": "cured-5d-0", "container": "app"},
                     [0] * 365 + [1] * 86)
        # One minute before its burst a new set of pods takes over.
        burst("deployed", "rollout")
        for number in range(3):
            asked.pod("shop", "deployed", f"deployed-old-{number}", [0] * 360 + ["stale"])
            asked.started(f"deployed-old-{number}", [-90000] * 360 + ["stale"])
            asked.pod("shop", "deployed", f"deployed-new-{number}", [None] * 359 + [0] * 92)
            asked.started(f"deployed-new-{number}", [None] * 359 + [359 * 60] * 92)
        # Twice as many pods, and a workload that is new.
        burst("scaled", "neither")
        asked.service("scaled", pods=5)
        for number in range(5, 10):
            asked.pod("shop", "scaled", f"scaled-5d-{number}", [None] * 350 + [0] * 101)
            asked.started(f"scaled-5d-{number}", [None] * 350 + [350 * 60] * 101)
        # Nobody knows.
        burst("stranger", "unknown")
        burst("elsewhere", "unknown")
        asked.pod("shop", "elsewhere", "elsewhere-5d-0", 0, cluster="eu")
        burst("blind", "unknown")
        asked.series("closewatch_pod_info", {"node": "a", "namespace": "shop", "pod": "blind-5d-0", "workload_kind": "Deployment",
                                             "workload": "blind"}, 1)
        asked.calls("httproute/shop/route/rule/0", flat(20, 451), fails)
        wanted["httproute/shop/route/rule/0"] = "unknown"
        asked.asks_classes(449, wanted)
        asked.asks('sum(closewatch:burst_attribution:ratio)', 449, {"": 1})
        asked.asks('closewatch:burst_attribution:count{class="unknown"}', 449, {'closewatch:burst_attribution:count{class="unknown"}': 4})
        asked.asks('count(closewatch:burst_attribution:ratio{class="unknown"}) or vector(0)', 449, {"": 0})
        asked.run(self)

    def test_a_fresh_installation_is_no_rollout(self):
        for known in (True, False):
            asked = Asked(60)
            for number in range(5):
                asked.pod("shop", "cart", f"cart-5d-{number}", [None] * 5 + [0] * 60)
                if known:
                    asked.started(f"cart-5d-{number}", [None] * 5 + [-90000] * 60)
            asked.asks("max_over_time(sum(workload:closewatch_rollout:ratio)[50m:1m])", 59, {"": 0})
            asked.run(self)

    def test_an_autoscaler_that_flaps_is_no_rollout(self):
        """From 20 pods to 5 and back within ten minutes, with kube-state-metrics and without; a DaemonSet that is rolled out is one, a new one is none."""
        for known in (True, False):
            asked = Asked(120)
            for number in range(20):
                lives = [(0, 60), (66, 121)] if number >= 5 else [(0, 121)]
                for life, (begin, end) in enumerate(lives):
                    name = f"cart-5d-{number}x{life}"
                    asked.pod("shop", "cart", name, [None] * begin + [0] * (end - begin) + ["stale"])
                    if known:
                        asked.started(name, [None] * begin + [60 * begin or -90000] * (end - begin) + ["stale"])
            for number in range(10):
                for life, (begin, end) in enumerate(((0, 60 + number), (60 + number, 121))):
                    name = f"agent-{number}x{life}"
                    asked.pod("shop", "agent", name, [None] * begin + [0] * (end - begin) + ["stale"], kind="DaemonSet", node=f"n{number}")
                    if known:
                        asked.started(name, [None] * begin + [60 * begin or -90000] * (end - begin) + ["stale"])
                asked.pod("shop", "new", f"new-{number}", [None] * 80 + [0] * 41, kind="DaemonSet", node=f"n{number}")
                if known:
                    asked.started(f"new-{number}", [None] * 80 + [4800] * 41)
            asked.asks("max by (workload) (max_over_time(workload:closewatch_rollout:ratio[55m])) >= bool 0.2", 119,
                       {'workload="cart"': 0, 'workload="agent"': 1, 'workload="new"': 0})
            asked.run(self)

    def test_of_two_clusters_one_has_the_burst(self):
        """The same names in both: one fails and leaks, one only leaks; counters that begin anew are neither."""
        asked = Asked(300)
        for cluster, bad in (("eu", 2), ("us", 0)):
            asked.calls("cart.shop", flat(20, 301), [0] * 200 + [bad] * 30 + [0] * 71, cluster=cluster)
            asked.pod("shop", "cart", "cart-5d-0", [0] * 60 + ramp(0, 60, 100) + [100] * 141, cluster=cluster)
            asked.series("kube_pod_start_time", {"cluster": cluster, "namespace": "shop", "pod": "cart-5d-0"}, -90000)
        for name, rate in (("2", 60), ("5", 0)):
            asked.series("envoy_cluster_upstream_rq_xx", {"envoy_cluster_name": "till.shop", "envoy_response_code_class": name},
                         [5000 + rate * one for one in range(150)] + [rate * one for one in range(151)])
        asked.asks("sum by (cluster, service, class) (sum_over_time(service:closewatch_burst:attributed[5h]))", 299,
                   {'cluster="eu",service="cart.shop",class="leak"': 1})
        asked.run(self)

    def test_jobs_and_one_pod_that_moves_are_no_rollout(self):
        asked = Asked(120)
        for number in range(12):
            begin = number * 10
            asked.pod("shop", "nightly", f"nightly-{number}-x", [None] * begin + [0] * 4 + ["stale"], kind="CronJob")
            asked.started(f"nightly-{number}-x", [None] * begin + [begin * 60] * 4 + ["stale"])
        for number in range(200):
            asked.pod("shop", "cart", f"cart-5d-{number}", 0 if number else [0] * 60 + ["stale"])
            asked.started(f"cart-5d-{number}", -90000 if number else [-90000] * 60 + ["stale"])
        asked.pod("shop", "cart", "cart-5d-new", [None] * 60 + [0] * 61)
        asked.started("cart-5d-new", [None] * 60 + [3600] * 61)
        asked.asks("sum(max_over_time(workload:closewatch_rollout:ratio[2h])) < bool 0.2", 119, {"": 1})
        asked.run(self)


class ProxiesTest(unittest.TestCase):

    def test_what_follows_the_traffic_follows_no_leak(self):
        chance = random.Random(3)
        asked = Asked(1440, files=("sockets", "services", "proxies"), step=4)
        traffic = [100 + 80 * math.sin(2 * math.pi * minute / 720) for minute in range(1441)]
        leak = [(minute % 480) / 4 for minute in range(1441)]
        for name, close_wait, resets in (("busy", [one / 5 for one in traffic], [one / 100 for one in traffic]),
                                         ("leaky", leak, [one * bad / 1000 for one, bad in zip(traffic, leak)])):
            asked.pod("shop", name, f"{name}-0", [round(one) for one in close_wait])
            asked.calls(f"{name}.shop", traffic, [0] * 1441)
            total, values = 0, []
            for rate in resets:
                values.append(total)
                total += 60 * rate * chance.uniform(0.9, 1.1)
            asked.series("envoy_cluster_upstream_rq_rx_reset", {"envoy_cluster_name": f"{name}.shop"}, asked.minutely(values))
        asked.asks('max by (service) (abs(service:closewatch_proxy:correlation{proxy="stream_resets"})) > bool 0.5', 1439,
                   {'service="busy.shop"': 0, 'service="leaky.shop"': 1})
        asked.run(self, "4m")


if __name__ == "__main__":
    unittest.main()
