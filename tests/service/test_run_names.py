"""Runs of a batch are named after their samples, and that is no part of what makes a sample the same."""

from __future__ import annotations

from typing import Any

import pytest
from cohorts import CohortLab, cohort, failing, instance

from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes

FEW, MANY = 4, 101


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    """The run of sample-1 fails once."""
    once = OutcomeRule(pattern="sample-1", outcome="RUN_TASK_FAILED", times=1)
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=(once,))}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def names(lab: CohortLab) -> dict[str | None, set[str | None]]:
    """The names of all runs that were ever started, by sample."""
    found: dict[str | None, set[str | None]] = {}
    for run in lab.state.runs.values():
        found.setdefault(run.run_setting_id, set()).add(run.request.get("name"))
    return found


@pytest.mark.parametrize("count", [FEW, MANY], ids=["inline", "in a file"])
def test_a_run_has_the_name_of_its_sample_also_when_it_is_submitted_again(lab: CohortLab, count: int) -> None:
    ti, settings = instance(), [*cohort(count - 2), failing('odd "1" ü'), {"name": "mine", "runSettingId": "own"}]
    lab.fail(settings, ti)
    ti.try_number = 2
    lab.fail(settings, ti)
    expected = {each["runSettingId"]: {each.get("name", each["runSettingId"])} for each in settings}
    assert names(lab) == expected
    assert lab.runs_of()["sample-1"] == 2
    assert [run["name"] for run in lab.omics.list_runs(name="sample-0")["items"]] == ["sample-0"]


@pytest.mark.parametrize("count", [FEW, MANY], ids=["inline", "in a file"])
def test_a_sheet_names_its_runs_too(lab: CohortLab, count: int, tmp_path: Any) -> None:
    sheet = tmp_path / "cohort.csv"
    sheet.write_text("sample,reads\n" + "".join(f"s{n},{n}\n" for n in range(count)))
    lab.run(str(sheet), run_setting_id_column="sample")
    assert names(lab) == {f"s{n}": {f"s{n}"} for n in range(count)}


@pytest.mark.parametrize("count", [FEW, MANY], ids=["inline", "in a file"])
def test_a_name_for_all_runs_is_kept(lab: CohortLab, count: int) -> None:
    lab.fail(cohort(count), name="all")
    assert names(lab) == {f"sample-{n}": {"all"} for n in range(count)}


def test_the_file_that_samples_are_compared_with_has_no_names(lab: CohortLab) -> None:
    lab.fail(cohort(MANY))
    [stored] = list(lab.objects("out/airflow-batches/run-settings/cohort-"))
    assert '"name"' not in lab.read(f"s3://cohort-results/{stored}")
