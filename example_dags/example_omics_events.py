"""Act on every HealthOmics run that ends, whoever started it: from a notebook, the console or another DAG.

Needs Airflow 3.0 or later, whose assets can be watched. An EventBridge rule puts the status changes of runs into an SQS
queue; a trigger reads them there and starts this DAG. The environment of Airflow's processes names the queue::

    OMICS_EVENTS_QUEUE=https://sqs.us-east-1.amazonaws.com/123456789012/healthomics-events

docs/events.md says how rule and queue are made. Several runs can end before the DAG starts, so one DAG run has a list
of events. An event can come twice, as another DAG run too: what is done for it has to be the same done twice, or
remember the event's ``identity``. An event can also be missing, so this is no way to wait for a run: the operators and
sensors are.
"""

from __future__ import annotations

import os
from typing import Any

import airflow

QUEUE = os.environ.get("OMICS_EVENTS_QUEUE", "https://sqs.us-east-1.amazonaws.com/123456789012/healthomics-events")

# Airflow 2 has no asset watchers, and finds no DAG in this file.
if not airflow.__version__.startswith("2."):
    from airflow.sdk import DAG, Asset, AssetWatcher, get_current_context, task

    from airflow_provider_omics.triggers.events import OmicsRunEventTrigger

    ended_runs = Asset(
        "healthomics-ended-runs",
        watchers=[AssetWatcher(name="status-changes", trigger=OmicsRunEventTrigger(sqs_queue=QUEUE, kinds=["run"]))],
    )

    with DAG(
        dag_id="example_omics_events",
        schedule=[ended_runs],
        catchup=False,
        doc_md=__doc__,
        tags=["example", "healthomics"],
    ) as dag:

        @task
        def list_runs() -> list[dict[str, Any]]:
            """Return the runs that ended, each once."""
            events = get_current_context()["triggering_asset_events"].get(ended_runs, [])
            payloads = [event.extra["payload"] for event in events if "payload" in event.extra]
            runs = {payload["identity"]: payload for payload in payloads}
            members = ("id", "name", "status", "run_output_uri", "identity")
            return [{name: payload[name] for name in members} for payload in runs.values()]

        @task
        def report(run: dict[str, Any]) -> None:
            """Tell how a run ended; here a notebook would be filled, or a colleague told."""
            print(f"Run {run['id']} ({run['name'] or 'without a name'}) ended {run['status']}: {run['run_output_uri']}")

        report.expand(run=list_runs())
