#!/usr/bin/env python3
"""Writes the dashboards that are committed beside this file.

    python3 dashboards/generate.py              # after a change of source/
    python3 dashboards/generate.py --to FOLDER  # somewhere else, to compare

Grafana's classic model: import the files as they are, or provision them (docs/monitoring.md).
"""

import sys

sys.dont_write_bytecode = True  # nothing but the dashboards is left behind

import argparse
import json
from pathlib import Path

from source import expert_usage, routing_and_budget, run_health

DASHBOARDS = {
    "run_health": run_health.dashboard,
    "routing_and_budget": routing_and_budget.dashboard,
    "expert_usage": expert_usage.dashboard,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--to", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    folder: Path = arguments.parse_args().to
    for name, make in DASHBOARDS.items():
        text = json.dumps(make(), indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
