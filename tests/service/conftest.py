"""What tests of operators, sensors and triggers share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cohorts import CohortLab

from airflow_provider_omics.local import LocalOmics


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> CohortLab:
    """Cohorts on the server that the module's tests have."""
    return CohortLab(server, make_workflow())
