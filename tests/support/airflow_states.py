"""What Airflow says of the states of tasks, which it knows nothing of where no scheduler has started them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from pytest_mock import MockerFixture


def answer_task_states(mocker: MockerFixture, answer: Callable[[], str | None]) -> None:
    """Have Airflow answer whenever it is asked for the state of a task that is not mapped.

    :param answer: is called each time, and may move the world on.
    """
    if version("apache-airflow").startswith("2."):
        session = mocker.patch("airflow.utils.session.create_session").return_value.__enter__.return_value
        session.query.return_value.filter_by.return_value.scalar.side_effect = answer
        return

    def states(*, task_ids: list[str], run_ids: list[str], **_others: Any) -> dict[str, dict[str, str | None]]:
        return {run_ids[0]: {task_ids[0]: answer()}}

    mocker.patch("airflow.sdk.execution_time.task_runner.RuntimeTaskInstance.get_task_states", side_effect=states)
