# SPDX-License-Identifier: Apache-2.0
"""Starts Prometheus over the invented month and lets shoot.mjs take a picture of each dashboard at a telling moment."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "system")]

import month  # noqa: E402  pylint: disable=wrong-import-position
import panel_data  # noqa: E402  pylint: disable=wrong-import-position

SIX_HOURS, MONTH = 6 * 3600, month.DAYS * month.DAY
SHOTS = {
    "fleet": ("leaking", SIX_HOURS, ""),
    "pod": ("leaking", SIX_HOURS, "var-namespace=shop&var-pod=checkout-0-0"),
    "fix": ("end", MONTH, "var-workload=checkout&var-service=checkout.shop"),
    "impact": ("end", MONTH, ""),
    "agent": ("leaking", SIX_HOURS, ""),
}


def main():
    directory, *wanted = sys.argv[1:]
    _, data = panel_data.built()
    with month.Prometheus("{}", *month.QUICK, directory=data) as prometheus:
        for name in SHOTS if wanted == ["all"] else wanted:
            moment, seconds, variables = SHOTS[name]
            to = panel_data.MOMENTS[moment]
            subprocess.run(["node", HERE / "shoot.mjs", prometheus.url, str(to - seconds), str(to), str(month.SCRAPE), directory,
                            f"{directory}/page", f"closewatch-{name}?{variables}"], check=True)


main()
