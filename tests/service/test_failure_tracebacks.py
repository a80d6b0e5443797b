"""What Airflow logs of a task: of its failure the message without inner frames, and little of other things."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator
from cohorts import OUT, ROLE, cohort
from pytest_mock import MockerFixture
from task_runs import run_task

import airflow_provider_omics
from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsServiceError,
)
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsDeleteBatchOperator, OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.run import OmicsRunSensor
from airflow_provider_omics.triggers.run import OmicsRunTrigger

PACKAGE = Path(airflow_provider_omics.__file__).parent
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    omics_local.client("s3").create_bucket(Bucket=OUT.split("/")[2])
    return omics_local


def failure_of(task: BaseOperator) -> OmicsError:
    with pytest.raises(OmicsError) as caught:
        run_task(task)
    return caught.value


def frames_of(error: BaseException) -> list[str]:
    """The lines of the package that Airflow would log, of the error and of those before it."""
    told = traceback.TracebackException.from_exception(error)
    assert told.__cause__ is None
    assert told.__suppress_context__
    return [frame.name for frame in told.stack if Path(frame.filename).is_relative_to(PACKAGE)]


@MODES
def test_a_failed_run_is_told_without_the_frames_that_found_it(
    make_workflow: Callable[..., str], deferrable: bool
) -> None:
    workflow = make_workflow()
    task = OmicsStartRunOperator(
        task_id="start_run",
        workflow_id=workflow,
        role_arn=ROLE,
        output_uri=OUT,
        tags={"omics-local:outcome": "INVALID_URI_INPUT"},
        waiter_delay=0.02,
        deferrable=deferrable,
    )
    error = failure_of(task)
    assert isinstance(error, OmicsRunFailedError)
    assert isinstance(error, AirflowFailException)
    assert frames_of(error) == ["call"]
    assert str(error).splitlines()[-1].startswith("What to do: ")


@MODES
def test_a_failed_cohort_ends_with_what_to_do(make_workflow: Callable[..., str], deferrable: bool) -> None:
    settings = cohort(2, runTags={"omics-local:outcome": "RUN_TASK_FAILED"})
    error = failure_of(
        OmicsStartRunBatchOperator(
            task_id="cohort",
            workflow_id=make_workflow(),
            role_arn=ROLE,
            output_uri=OUT,
            run_settings=settings,
            waiter_delay=0.02,
            deferrable=deferrable,
        )
    )
    assert isinstance(error, OmicsBatchFailedError)
    assert frames_of(error) == ["call"]
    assert "runs again only the samples that did not complete." in " ".join(str(error).split())[-120:]


@MODES
def test_a_refused_call_has_its_remedy_last(deferrable: bool) -> None:
    error = failure_of(OmicsRunSensor(task_id="wait", run_id="999999", deferrable=deferrable))
    assert frames_of(error) == ["call"]


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (OmicsDeleteRunOperator(task_id="delete", run_id="{{ 'run-1' }}"), OmicsRequestInvalidError),
        (OmicsDeleteBatchOperator(task_id="delete", batch_id="{{ ' ' }}"), OmicsRequestInvalidError),
        (
            OmicsStartRunOperator(task_id="start", workflow_id="7654321", role_arn=ROLE, output_uri=OUT),
            OmicsServiceError,
        ),
    ],
)
def test_every_operator_raises_without_inner_frames(task: BaseOperator, kind: type[OmicsError]) -> None:
    error = failure_of(task)
    assert isinstance(error, kind)
    assert frames_of(error) == ["call"]


def test_the_frames_are_kept_for_those_who_look_for_them(mocker: MockerFixture) -> None:
    log = mocker.patch.object(OmicsDeleteRunOperator, "log", new_callable=mocker.PropertyMock).return_value
    failure_of(OmicsDeleteRunOperator(task_id="delete", run_id="{{ 'run-1' }}"))
    log.debug.assert_called_once_with("What led to the failure", exc_info=True)


def test_an_error_that_nobody_foresaw_keeps_its_frames() -> None:
    class Broken(OmicsDeleteRunOperator):
        def execute(self, context: Any) -> str:
            raise KeyError("no such thing")

    with pytest.raises(KeyError) as caught:
        run_task(Broken(task_id="delete", run_id="1"))
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-1] == "execute"


def test_airflow_logs_little_of_an_event(make_workflow: Callable[..., str], server: LocalOmics) -> None:
    request = {"workflowId": make_workflow(), "roleArn": ROLE, "outputUri": OUT}
    run_id = server.client("omics").start_run(**request)["id"]

    async def first() -> Any:
        return await anext(OmicsRunTrigger(run_id=run_id, waiter_delay=0.02, resume_state={"a": "b" * 1000}).run())

    event = asyncio.run(first())
    assert repr(event) == f"TriggerEvent<run {run_id}: ended>"
    assert json.loads(json.dumps(event.payload))["run"]["status"] == "COMPLETED"
    assert event.payload["resume_state"] == {"a": "b" * 1000}


def test_where_credentials_come_from_is_logged_once(make_workflow: Callable[..., str], mocker: MockerFixture) -> None:
    told = mocker.spy(AwsConnectionWrapper, "_get_credentials")
    run_task(
        OmicsStartRunBatchOperator(
            task_id="cohort",
            workflow_id=make_workflow(),
            role_arn=ROLE,
            output_uri=OUT,
            run_settings=cohort(2),
            waiter_delay=0.02,
        )
    )
    assert told.call_count == 1
