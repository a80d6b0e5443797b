"""What Airflow says of the states of tasks, which it knows nothing of where no scheduler has started them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from pytest_mock import MockerFixture

from airflow_provider_omics.compat import DELETED


def answer_task_states(mocker: MockerFixture, answer: Callable[[], str | None]) -> None:
    """Have Airflow answer whenever it is asked for the state of a task that is not mapped.

    :param answer: is called each time, and may move the world on; ``deleted`` for a task that is not there.
    """
    if version("apache-airflow").startswith("2."):
        session = mocker.patch("airflow.utils.session.create_session").return_value.__enter__.return_value
        session.query.return_value.filter_by.return_value.one_or_none.side_effect = lambda: (
            None if (state := answer()) == DELETED else (state,)
        )
        return

    def states(*, task_ids: list[str], run_ids: list[str], **_others: Any) -> dict[str, dict[str, str | None]]:
        state = answer()
        return {} if state == DELETED else {run_ids[0]: {task_ids[0]: state}}

    mocker.patch("airflow.sdk.execution_time.task_runner.RuntimeTaskInstance.get_task_states", side_effect=states)
