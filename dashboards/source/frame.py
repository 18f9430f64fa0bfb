"""What the dashboards share: variables, links, annotations, and the places of panels."""

from source.panels import DATA_SOURCE, RUN_MATCHERS, TARGET_MATCHERS, Json, Panel, expression

COLUMNS = 24
TAG = "softmoe"


def _variable(name: str, label: str, query: str, **more: object) -> Json:
    """A variable whose choices are read anew whenever the time range changes."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATA_SOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
        **more,
    }


def _variables() -> list[Json]:
    several = {"multi": True, "includeAll": True, "allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}}
    return [
        {
            "type": "datasource",
            "name": "datasource",
            "label": "Data source",
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "options": [],
            "current": {},
        },
        # Every page of a rank or a coordinator has this family.
        _variable("job", "Job", "label_values(softmoe_metrics_series, job)", **several),
        _variable("instance", "Instance", 'label_values(softmoe_metrics_series{job=~"$job"}, instance)', **several),
        _variable("run", "Run", f"label_values(softmoe_metrics_series{{{TARGET_MATCHERS}}}, run)"),
        _variable("layer", "Layer", f"label_values(softmoe_layer_k_realised{{{RUN_MATCHERS}}}, layer)", sort=3),
    ]


def _annotation(name: str, expr: str, color: str, title: str, text: str, **more: object) -> Json:
    return {
        "name": name,
        "datasource": DATA_SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expression(expr),
        "titleFormat": title,
        "textFormat": text,
        "step": "15s",
        **more,
    }


def _annotations() -> list[Json]:
    # A start is drawn where the value says, so it is right also for a process with a new address.
    start = '1000 * max by (run) (process_start_time_seconds{<run>, rank="0"})'
    return [
        _annotation("Starts", start, "blue", "Start of rank 0", "run {{run}}", useValueForTime=True),
        _annotation(
            "Set-points",
            "max by (run) (changes(softmoe_budget_revision{<run>}[$__rate_interval])) > 0",
            "purple",
            "Other set-points",
            "run {{run}}",
        ),
        _annotation(
            "Coordinator's alarms",
            "sum by (kind) (increase(softmoe_coordinator_alarms_total{<run>}[$__rate_interval])) > 0",
            "red",
            "Alarm of the coordinator",
            "{{kind}}",
        ),
        _annotation(
            "Alerts",
            'max by (alertname) (ALERTS{alertname=~"Softmoe.*", alertstate="firing", run="$run"})',
            "orange",
            "Alert",
            "{{alertname}}",
        ),
    ]


def _placed(panels: list[Panel]) -> list[Json]:
    """Panels from left to right and from top to bottom; a line is as high as its highest panel."""
    placed: list[Json] = []
    x = y = line_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, line_height = 0, y + line_height, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": place, **panel.body})
        x, line_height = x + panel.width, max(line_height, panel.height)
    return placed


def dashboard(uid: str, title: str, description: str, panels: list[Panel]) -> Json:
    """A dashboard of the classic model, as a file is provisioned or imported."""
    link = {
        "type": "dashboards",
        "title": "Other dashboards of the run",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "links": [link],
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "panels": _placed(panels),
    }
