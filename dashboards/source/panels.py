"""Panels of Grafana's classic model. Only kinds that need no Angular: row, stat, timeseries, heatmap, table.

An expression may say `<run>` for the matchers of the dashboard's variables, and `<layer>` for these and the
chosen layer: `softmoe_train_loss{<run>, kind="total"}`.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DATA_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

# `up` has no label run: it is what Prometheus says of a target.
TARGET_MATCHERS = 'job=~"$job", instance=~"$instance"'
RUN_MATCHERS = TARGET_MATCHERS + ', run="$run"'
LAYER_MATCHERS = RUN_MATCHERS + ', layer="$layer"'


def expression(text: str) -> str:
    """The expression with the matchers written out, on one line."""
    for mark, matchers in (("<run>", RUN_MATCHERS), ("<layer>", LAYER_MATCHERS), ("<target>", TARGET_MATCHERS)):
        text = text.replace(mark, matchers)
    return " ".join(text.split())


@dataclass(frozen=True)
class Query:
    """One expression and the name of its series; `{{label}}` stands for a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel without its place: the frame gives it an id and a position."""

    body: Json
    width: int
    height: int


def _targets(queries: list[Query], shape: str, instant: bool) -> list[Json]:
    return [
        {
            "datasource": DATA_SOURCE,
            "refId": chr(ord("A") + index),
            "expr": expression(query.expr),
            "legendFormat": query.legend,
            "format": shape,
            "instant": instant,
            "range": not instant,
        }
        for index, query in enumerate(queries)
    ]


def _thresholds(steps: list[tuple[float | None, str]]) -> Json:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


PLAIN: list[tuple[float | None, str]] = [(None, "text")]


def row(title: str) -> Panel:
    """The heading of the panels below it."""
    return Panel({"type": "row", "title": title, "collapsed": False, "panels": []}, 24, 1)


def stat(
    title: str,
    description: str,
    queries: list[Query],
    unit: str,
    *,
    decimals: int | None = None,
    names: bool = False,
    steps: list[tuple[float | None, str]] | None = None,
    width: int = 3,
) -> Panel:
    """The newest value in large letters, or with `names` the series' name instead of it.

    `steps` are colours by lower bound, the first one from below."""
    defaults: Json = {"unit": unit, "thresholds": _thresholds(steps or PLAIN), "noValue": "-"}
    if decimals is not None:
        defaults["decimals"] = decimals
    several = len(queries) > 1
    body: Json = {
        "type": "stat",
        "title": title,
        "description": description,
        "datasource": DATA_SOURCE,
        "targets": _targets(queries, "time_series", instant=True),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "name" if names else "value_and_name" if several else "value",
            "wideLayout": True,
        },
    }
    return Panel(body, width, 4)


def timeseries(
    title: str,
    description: str,
    queries: list[Query],
    unit: str,
    *,
    stacked: bool = False,
    bars: bool = False,
    logarithmic: bool = False,
    low: float | None = None,
    high: float | None = None,
    decimals: int | None = None,
    dashed: str = "",
    lines: list[tuple[float | None, str]] | None = None,
    width: int = 8,
) -> Panel:
    """Lines over time. `dashed` is a regular expression of names whose lines are dashed (targets of others),
    `lines` are thresholds to draw."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 1,
        "fillOpacity": 70 if stacked else 40 if bars else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if logarithmic else {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if lines else "off"},
    }
    defaults: Json = {"unit": unit, "custom": custom, "color": {"mode": "palette-classic"}}
    if lines:
        defaults["thresholds"] = _thresholds(lines)
    for key, value in (("min", low), ("max", high), ("decimals", decimals)):
        if value is not None:
            defaults[key] = value
    overrides: list[Json] = []
    if dashed:
        dash = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
        overrides = [{"matcher": {"id": "byRegexp", "options": dashed}, "properties": [dash]}]
    body: Json = {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": DATA_SOURCE,
        "targets": _targets(queries, "time_series", instant=False),
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }
    return Panel(body, width, 8)


def heatmap(
    title: str,
    description: str,
    query: Query,
    *,
    buckets: bool = False,
    least: float | None = None,
    most: float | None = None,
    scheme: str = "Turbo",
    width: int = 12,
    height: int = 10,
) -> Panel:
    """Time to the right, a row per series (or per bucket of a histogram) upwards, the value as colour.

    `least` and `most` are the values at the ends of the colours."""
    color: Json = {
        "mode": "scheme",
        "scheme": scheme,
        "reverse": False,
        "steps": 64,
        "exponent": 0.5,
        "fill": "blue",
        "scale": "exponential",
    }
    for key, value in (("min", least), ("max", most)):
        if value is not None:
            color[key] = value
    body: Json = {
        "type": "heatmap",
        "title": title,
        "description": description,
        "datasource": DATA_SOURCE,
        "targets": _targets([query], "heatmap" if buckets else "time_series", instant=False),
        "fieldConfig": {
            "defaults": {"unit": "short", "custom": {"scaleDistribution": {"type": "linear"}}},
            "overrides": [],
        },
        "options": {
            "calculate": False,
            "rowsFrame": {"layout": "auto", "value": "experts" if buckets else "value"},
            "cellGap": 1,
            "cellValues": {"unit": "short", "decimals": 2},
            "color": color,
            "filterValues": {"le": 1e-9} if buckets else {},
            "legend": {"show": True},
            "showValue": "never",
            "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "short"},
        },
    }
    return Panel(body, width, height)


def table(
    title: str,
    description: str,
    queries: list[Query],
    unit: str,
    *,
    transformations: list[Json],
    colored: str = ".*",
    width: int = 12,
    height: int = 10,
) -> Panel:
    """The newest values as rows. Columns that match `colored` are shaded by value: blue below 1, red above."""
    cells: Json = {"type": "color-background", "mode": "basic"}
    shades = _thresholds([(None, "dark-blue"), (0.5, "blue"), (0.8, "transparent"), (1.25, "orange"), (2, "red")])
    body: Json = {
        "type": "table",
        "title": title,
        "description": description,
        "datasource": DATA_SOURCE,
        "targets": _targets(queries, "table", instant=True),
        "fieldConfig": {
            "defaults": {"unit": unit, "decimals": 2, "custom": {"align": "auto"}},
            "overrides": [
                {
                    "matcher": {"id": "byRegexp", "options": colored},
                    "properties": [{"id": "custom.cellOptions", "value": cells}, {"id": "thresholds", "value": shades}],
                }
            ],
        },
        "options": {"showHeader": True, "cellHeight": "sm"},
        "transformations": transformations,
    }
    return Panel(body, width, height)
