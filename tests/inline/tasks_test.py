"""Calls ``airflow tasks test`` for tasks of a DAG, all in one process: most of a call's time goes into its start."""

from __future__ import annotations

import sys

from airflow.cli import cli_parser


def main() -> None:
    dag_id, *task_ids = sys.argv[1:]
    parser = cli_parser.get_parser()
    for task_id in task_ids:
        arguments = parser.parse_args(["tasks", "test", dag_id, task_id])
        arguments.func(arguments)


if __name__ == "__main__":
    main()
