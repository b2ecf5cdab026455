# SPDX-License-Identifier: Apache-2.0
"""In a day of a busy invented cluster each true leak is one alert, and nothing else is above information. Of more pods: day.py."""

import pathlib
import tempfile
import unittest

from day import Day, Evaluated


class DayTest(unittest.TestCase):

    def test_three_leaks_are_three_alerts_and_nothing_else_is_above_information(self):
        day = Day(200)
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir="/var/tmp")))
        with Evaluated(day, directory) as prometheus:
            loud = {(name, dict(labels).get("workload"), dict(labels).get("scope")): len(spells)
                    for (name, labels), spells in prometheus.spells().items() if dict(labels)["severity"] != "info"}
            judged = {labels["class"]: count for labels, count in prometheus.query(
                "sum by (class) (sum_over_time(service:closewatch_burst:attributed[1d])) > 0", Evaluated.END)}
        self.assertEqual({("ClosewatchCloseWaitLeak", leak, "workload"): 1 for leak in day.leaks()}, loud)
        self.assertEqual({"neither": day.bursts()}, judged)


if __name__ == "__main__":
    unittest.main()
