"""The triggers that watch assets, as earlier releases stored them."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

STORED = Path(__file__).parents[1] / "service" / "stored" / "asset_watchers"
HAS_ASSET_WATCHERS = not version("apache-airflow").startswith("2.")
"""Whether this Airflow has asset watchers."""


def stored_watchers() -> list[dict[str, Any]]:
    """Return the classpath and the arguments of each."""
    return [stored for path in sorted(STORED.glob("*.json")) for stored in json.loads(path.read_text())]
