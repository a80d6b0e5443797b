"""For each source of a connection a DAG that the end of a run starts, which nobody here has started."""

from __future__ import annotations

import os

from airflow.sdk import DAG, Asset, AssetWatcher, get_current_context, task
from smoke_rows import SOURCES, WATCHED_WORKFLOW, connection, queue_variable

from airflow_provider_omics.triggers.events import OmicsRunEventTrigger

for source in SOURCES:
    trigger = OmicsRunEventTrigger(
        sqs_queue=os.environ[queue_variable(source)],
        statuses=["COMPLETED"],
        workflow_ids=[os.environ[WATCHED_WORKFLOW]],
        aws_conn_id=connection(source),
    )
    asset = Asset(f"smoke-{source}", watchers=[AssetWatcher(name=f"queue-{source}", trigger=trigger)])

    with DAG(dag_id=f"smoke_events_{source}", schedule=[asset]):

        @task
        def tell(asset: Asset = asset) -> list[str]:
            events = get_current_context()["triggering_asset_events"][asset]
            return [event.extra["payload"]["id"] for event in events]

        tell()
