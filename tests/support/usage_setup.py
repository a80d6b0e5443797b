"""A server that is asked a lot for use and cost, and prices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from airflow_provider_omics.local import LocalOmics


def called_often(server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> LocalOmics:
    """Have Airflow's connection lead to a server, and call it as often as it likes."""
    extra = {**server.connection_extra(), "service_config": {"omics": {"calls_per_second": 1000}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", f"aws://key:secret@/?{urlencode({'__extra__': json.dumps(extra)})}")
    return server


def write_prices(folder: Path, prices: Mapping[str, Any]) -> str:
    """Write a price file, and return its path."""
    path = folder / "prices.json"
    path.write_text(json.dumps(prices))
    return str(path)
