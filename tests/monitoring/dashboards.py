# SPDX-License-Identifier: Apache-2.0
"""The dashboards as they are shipped, and what their panels ask for."""

import functools
import json
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = pathlib.Path(os.environ.get("CLOSEWATCH_DASHBOARDS", ROOT / "helm/closewatch/dashboards"))


@functools.cache
def dashboards():
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SHIPPED.glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def drawn():
    """(uid, dashboard, panel) of all that ask for something."""
    return [(uid, dashboard, panel) for uid, dashboard in dashboards().items() for panel in panels(dashboard)
            if panel.get("targets")]


def needs(panel):
    """The exporters that a panel says it cannot do without."""
    found = re.search(r"Needs ([\w, -]+)\.$", panel["description"])
    return set(found.group(1).split(" and ")) if found else set()


def values(dashboard):
    """Its variables as they are when it is opened."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        current = variable.get("current", {}).get("value", "")
        found[variable["name"]] = variable["allValue"] if current == ["$__all"] else current
    return found


def interpolated(text, dashboard, seconds, **chosen):
    known = values(dashboard) | {"__rate_interval": "10m", "__range": f"{seconds}s", "__range_s": str(seconds)}
    known |= {name: value for name, value in chosen.items() if name in known}

    def value_of(name):
        assert name.group(1) in known, f"{name.group()} is no variable: {text}"
        return known[name.group(1)]
    return re.sub(r"\$\{?([a-z_]\w*)\}?", value_of, text)  # $1 is Prometheus' own


def panel_named(dashboard, title):
    return next(panel for panel in panels(dashboard) if panel["title"].split(":")[0] == title)


def asked(uid, title, letter="A", seconds=6 * 3600, **chosen):
    """What a panel asks Prometheus for, with its variables as they are when it is opened, or as chosen."""
    dashboard = dashboards()[uid]
    target = next(one for one in panel_named(dashboard, title)["targets"] if one["refId"] == letter)
    return interpolated(target["expr"], dashboard, seconds, **chosen)


def annotation(uid, name, **chosen):
    """The same of an annotation."""
    dashboard = dashboards()[uid]
    return interpolated(next(one for one in dashboard["annotations"]["list"] if one["name"] == name)["expr"], dashboard, 0, **chosen)
