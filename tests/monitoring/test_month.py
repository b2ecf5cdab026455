# SPDX-License-Identifier: Apache-2.0
"""A month of data through the shipped rules in a real Prometheus: what they say is what was invented."""

import collections
import math
import unittest

import month
import panel_data
from month import (BURSTS, CALLS, CALLS_PER_PAGE, DAY, END, FIX, LEAK_EXCESS, LEAK_SECONDS, LEAK_TOP, P99, RETRY_SUCCESS,
                   SCRAPE, START)
from prometheus import Prometheus

LATEST = END - month.RULE_INTERVAL
AT_FIX = START + FIX - month.RULE_INTERVAL
WINDOW = 10 * DAY  # before and after the fix
LEAKS = [burst for burst in BURSTS if burst.cause in ("leak", "both")]
# What a burst costs, beyond its failed calls.
ABANDON, GMV, PROFIT = 0.3, 2.37, 0.59


def close(value, wanted, share):
    return math.isclose(value, wanted, rel_tol=share)


def pearson(pairs):
    count = len(pairs)
    mean_x, mean_y = (sum(values) / count for values in zip(*pairs))
    cov, var_x, var_y = (sum(values) for values in zip(*(
        ((x - mean_x) * (y - mean_y), (x - mean_x) ** 2, (y - mean_y) ** 2) for x, y in pairs)))
    return cov / math.sqrt(var_x * var_y)


class MonthTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.month, directory = panel_data.built()
        cls.prometheus = cls.enterClassContext(Prometheus("{}", *month.QUICK, directory=directory))

    def by(self, expression, *labels, at=LATEST):
        """Label values -> value."""
        found = {tuple(metric.get(label, "") for label in labels): value
                 for metric, value in self.prometheus.query(expression, at, timeout=120)}
        return {key[0] if len(labels) == 1 else key: value for key, value in found.items()}

    def value(self, expression, at=LATEST):
        found = self.prometheus.query(expression, at, timeout=120)
        self.assertEqual(1, len(found), f"{expression}: {found}")
        return found[0][1]

    # --- bursts ---

    def test_each_burst_is_counted_once(self):
        wanted = collections.Counter(f"{burst.service}.shop" for burst in BURSTS)
        self.assertEqual(wanted, self.by("sum by (service) (sum_over_time(service:closewatch_burst:started[30d])) > 0", "service"))

    def test_each_burst_is_found_within_minutes_and_has_its_cause(self):
        for burst in BURSTS:
            with self.subTest(f"{burst.service} {burst.start / DAY:.2f}"):
                began = START + burst.start
                self.assertEqual(1, self.value(
                    f'sum_over_time(service:closewatch_burst:started{{service="{burst.service}.shop"}}[10m])', began + 600))
                self.assertEqual({burst.cause: 1}, self.by(
                    f'sum_over_time(service:closewatch_burst:attributed{{service="{burst.service}.shop"}}[30m])', "class",
                    at=began + 1800))

    def test_the_share_of_each_cause(self):
        causes = collections.Counter(burst.cause for burst in BURSTS)
        self.assertEqual(causes | {"unknown": 0}, self.by("closewatch:burst_attribution:count", "class"))
        self.assertEqual({cause: count / len(BURSTS) for cause, count in causes.items()},
                         self.by("closewatch:burst_attribution:ratio", "class"))
        checkout = collections.Counter(burst.cause for burst in LEAKS)
        self.assertEqual({"leak": checkout["leak"] / 12, "both": checkout["both"] / 12, "rollout": 0, "neither": 0},
                         self.by('service:closewatch_burst_attribution:ratio{service="checkout.shop"}', "class"))

    def test_an_agent_that_was_away_and_rollouts_are_no_leak(self):
        self.assertEqual({"checkout": 1, "search": 1, "user": 0, "stock": 0},
                         self.by("max_over_time(workload:closewatch_leak:evidence[30d])", "workload"))

    # --- the proxies ---

    def correlation(self, proxy, lag):
        """Of what was invented for `checkout` in the week before the fix, seen as the rules see it."""
        pairs = []
        for at in range(AT_FIX - 7 * DAY, AT_FIX + 1, month.RULE_INTERVAL):
            then = (at - START - 1800) // SCRAPE
            proxied = self.month.proxies["checkout"][proxy][then - 2:then]
            pairs.append((sum(proxied) / 2, self.month.close_wait["checkout"][then - lag * 60 // SCRAPE]))
        return pearson(pairs)

    def test_each_correlation_is_that_of_what_was_invented(self):
        lags = {"-30m": -30, "-10m": -10, "0s": 0, "10m": 10, "30m": 30, "60m": 60}
        said = self.by('service:closewatch_proxy:correlation{service="checkout.shop"}', "proxy", "lag", at=AT_FIX)
        wanted = {(proxy, name): self.correlation(proxy, lag)
                  for proxy in self.month.proxies["checkout"] for name, lag in lags.items()}
        self.assertLessEqual(wanted.keys(), said.keys())
        for key, value in wanted.items():
            self.assertAlmostEqual(value, said[key], delta=0.01, msg=key)

    def test_a_team_learns_which_proxy_to_trust(self):
        best = self.by('service:closewatch_proxy:best_correlation{service="checkout.shop"}', "proxy", "lag", at=AT_FIX)
        trust = {proxy: (lag, value) for (proxy, lag), value in best.items()}
        self.assertEqual("10m", trust["stream_resets"][0])
        self.assertGreater(trust["stream_resets"][1], 0.95)
        self.assertLess(trust["remote_closes_with_active_requests"][1], trust["stream_resets"][1])
        self.assertLess(trust["connect_failures"][1], 0.1)

    # --- before and after ---

    def before_and_after(self, expression):
        return (self.value(expression, AT_FIX), self.value(expression, LATEST))

    def windows(self):
        return ((FIX - month.RULE_INTERVAL - WINDOW, FIX - month.RULE_INTERVAL),
                (END - START - month.RULE_INTERVAL - WINDOW, END - START - month.RULE_INTERVAL))

    def test_restarts_before_and_after(self):
        wanted = tuple(self.month.restarts("checkout", *window) for window in self.windows())
        self.assertEqual((16, 0), wanted)
        restarts = ('sum(sum_over_time(pod:kube_pod_container_status_restarts:increase5m{workload="checkout"}[10d:5m]))'
                    " or vector(0)")
        self.assertEqual(wanted, self.before_and_after(restarts))
        self.assertEqual(self.month.restarts("checkout", 0, 30 * DAY), self.value(
            'sum(pod:kube_pod_container_status_restarts:increase30d{workload="checkout"})'))
        a_day = 'workload:kube_pod_container_status_restarts:increase1d{workload="checkout"}'
        for day in range(2, 30):
            self.assertEqual(self.month.restarts("checkout", (day - 1) * DAY, day * DAY),
                             self.value(a_day, START + day * DAY), f"day {day}")

    def test_close_wait_is_back_to_zero(self):
        most = 'max_over_time(workload:closewatch_close_wait_stuck_sockets:sum{workload="checkout"}[10d])'
        self.assertEqual((sum(LEAK_TOP), 0), self.before_and_after(most))

    def test_resets_before_and_after(self):
        found = self.before_and_after(
            'sum_over_time(service:envoy_cluster_upstream_rq_rx_reset:rate5m{service="checkout.shop"}[10d:5m]) * 300')
        for value, (begin, end) in zip(found, self.windows()):
            wanted = sum(self.month.proxies["checkout"]["stream_resets"][begin // SCRAPE:end // SCRAPE]) * SCRAPE
            self.assertTrue(close(value, wanted, 0.002), (value, wanted))

    def test_what_the_fix_has_put_in_force(self):
        service = '{service="checkout.shop"}'
        for name, wanted in {
                "service:envoy_cluster_upstream_rq_retry_success:ratio_rate5m": RETRY_SUCCESS,
                "service:envoy_cluster_upstream_rq_time:p99_5m": P99,
                "service:envoy_cluster_upstream_cx_idle_timeout:rate5m": (0, month.IDLE_TIMEOUTS),
                "service:envoy_cluster_upstream_cx_max_requests:rate5m": (0, month.MAX_REQUESTS),
                "service:envoy_cluster_upstream_cx_recycled:rate5m": (0, month.IDLE_TIMEOUTS + month.MAX_REQUESTS)}.items():
            with self.subTest(name):
                for value, truth in zip(self.before_and_after(name + service), wanted):
                    self.assertAlmostEqual(truth, value, delta=truth * 1e-6)

    # --- what it costs ---

    def test_calls_for_a_page(self):
        self.assertAlmostEqual(CALLS_PER_PAGE, self.value('app:envoy_upstream_calls_per_page:ratio_rate5m{app="web"}'), 6)
        self.assertAlmostEqual(sum(CALLS.values()), self.value('app:envoy_cluster_upstream_rq:rate5m{app="web"}'), 3)

    def test_what_a_burst_costs(self):
        for burst in LEAKS:
            with self.subTest(f"{burst.start / DAY:.2f}"):
                at = START + burst.start + 3600
                failed = self.value(
                    'sum_over_time(service:closewatch_burst_excess_5xx:rate5m{service="checkout.shop"}[1h:5m]) * 300', at)
                self.assertTrue(close(failed, LEAK_EXCESS * LEAK_SECONDS, 0.001), failed)
                pages = failed / self.value('app:envoy_upstream_calls_per_page:ratio_rate5m{app="web"}', at)
                sessions = pages * ABANDON
                for value, wanted in ((failed, 122700), (pages, 5300), (sessions, 1600), (sessions * GMV, 3800),
                                      (sessions * PROFIT, 940)):
                    self.assertTrue(close(value, wanted, 0.01), (value, wanted))

    def test_what_the_month_costs(self):
        excess = "sum(sum_over_time(service:closewatch_burst_excess_5xx:rate5m[30d:5m])) * 300"
        wanted = sum(burst.excess * burst.seconds for burst in BURSTS)
        self.assertTrue(close(self.value(excess), wanted, 0.002), wanted)
        failed = wanted + sum(CALLS.values()) * month.FAILING * 30 * DAY
        self.assertTrue(close(self.value("sum(service:envoy_cluster_upstream_rq_5xx:increase30d)"), failed, 0.002), failed)
        resets = sum(self.month.proxies["checkout"]["stream_resets"]) * SCRAPE
        self.assertTrue(close(self.value(
            'service:envoy_cluster_upstream_rq_rx_reset:increase30d{service="checkout.shop"}'), resets, 0.002), resets)


if __name__ == "__main__":
    unittest.main()
