"""Use and cost of CWL and WDL that is really run, recounted by other code: completed, failed, cached, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cohorts import BUCKET, CohortLab, instance
from cwl_service import await_that, zip_of
from omics_service import await_status
from two_tasks import OPEN, WDL, cwl_of_image
from usage_recount import Recount, cents, differences
from usage_setup import called_often, write_prices

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

PRICES = {
    "asOf": "2026-11-30",
    "products": [
        {"resourceType": "omics.c.xlarge", "unit": "Hours", "usd": 275.5},
        {"resourceType": "omics.c.large", "unit": "Hours", "usd": 55.08},
        {"resourceType": "Run Storage", "unit": "GiB-Hours", "usd": 19.18},
        {"resourceType": "Dynamic Run Storage", "unit": "GiB-Hours", "usd": 4_110_000},
    ],
}
DEFINITIONS = {"WDL": {"main.wdl": WDL}, "CWL": {"main.cwl": cwl_of_image()}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalOmics]:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield called_often(started, monkeypatch)


def cancel_in_the_middle(lab: CohortLab, sample: str) -> None:
    """Cancel a sample's run while its second task goes on."""

    def second() -> str | None:
        for run in lab.server.journal.runs():
            if run.run_setting_id == sample:
                items = lab.omics.list_run_tasks(id=run.run_id)["items"]
                if any(item["name"].endswith("second") and item["status"] == "RUNNING" for item in items):
                    return run.run_id
        return None

    run_id = await_that(second, "the second task")
    lab.omics.cancel_run(id=run_id)
    await_status(lambda: dict(lab.omics.get_run(id=run_id)), "CANCELLED")


@pytest.mark.parametrize(("engine", "storages"), [("WDL", ("DYNAMIC", "STATIC")), ("CWL", ("STATIC", "DYNAMIC"))])
def test_what_really_ran_costs_what_a_recount_says(
    server: LocalOmics, tmp_path: Path, engine: str, storages: tuple[str, str]
) -> None:
    omics = server.client("omics")
    workflow = omics.create_workflow(name="w", engine=engine, definitionZip=zip_of(DEFINITIONS[engine]))["id"]
    await_status(lambda: dict(omics.get_workflow(id=workflow)), "ACTIVE")
    lab = CohortLab(server, workflow)
    for name in ("good", "bad", "stopped"):
        # Runs side by side that read the same share a first task, and whose it is is by chance.
        lab.s3.put_object(Bucket=BUCKET, Key=f"in/{name}.txt", Body=b"word\n" * 40_000 + name.encode())
    cache = omics.create_run_cache(cacheS3Location=f"s3://{BUCKET}/cache", cacheBehavior="CACHE_ALWAYS")["id"]
    counter = Recount(server.endpoint_url, Path(write_prices(tmp_path, PRICES)).read_text())

    def sample(name: str, word: str = "word", gate: str = OPEN) -> dict[str, Any]:
        text = f"s3://{BUCKET}/in/{name.removesuffix('-again')}.txt"
        parameters = {"text": text, "word": word, "gate": gate}
        return {"runSettingId": name, "parameters": parameters}

    def drive(cohort: str, samples: list[dict[str, Any]], stopped: str | None, **arguments: Any) -> dict[str, Any]:
        arguments = {
            "usage": "all",
            "price_file": str(tmp_path / "prices.json"),
            "tolerated_failure_count": 2,
            "cache_id": cache,
            **arguments,
        }
        ti = instance(run_id=cohort)
        if stopped is not None:
            lab.crash(samples, ti, **arguments)
            cancel_in_the_middle(lab, stopped)
            ti = instance(2, run_id=cohort, xcoms=ti.xcoms)
        ti = lab.run(samples, ti, **arguments).ti
        summary = ti.xcoms["batch_summary"]
        counted = counter.samples(summary["batch_ids"])
        assert differences(lab.read(summary["results_uri"]), summary, counted) == []
        assert cents(summary["cost_usd"])
        return {row["run_setting_id"]: row for row in lab.rows(ti)}

    samples = [sample("good"), sample("bad", word="none"), sample("stopped", gate=str(tmp_path / "gate"))]
    rows = drive("first", samples, "stopped", storage_type=storages[0])
    assert [row["run_status"] for row in rows.values()] == ["COMPLETED", "FAILED", "CANCELLED"]
    again = drive("again", [sample("good-again")], None, storage_type=storages[1])
    assert (again["good-again"]["attempts"], again["good-again"]["cache_hits"]) == ("0", "2")
    assert counter.seen["runs"] == 4
