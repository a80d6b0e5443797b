"""The second half of the demo: runs in the environment that :mod:`demo` made."""

from __future__ import annotations

import logging
import math
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from airflow_api import AirflowRefusedError
from airflow_cluster import AirflowCluster, DagImportError
from airflow_database import OwnServerError, check_own_server
from child_processes import ProcessError, ended_by_signals
from demo import Options, parse
from demo_cohort import Cohort
from demo_redrive import Redrive
from demo_setup import BUCKET, Act, Stage, perform, say
from made_samples import CONTROL, DAMAGED, make_samples
from samplesheet import Sample
from staging import create_workflow
from virtual_environment import ROOT

from airflow_provider_omics.local import Timings
from airflow_provider_omics.local.server import LocalOmics

EXAMPLES = ROOT / "example_dags"
# HealthOmics takes its time over each run's machine; nothing is learned from waiting for that here. That it submits
# the samples of a batch one after the other is what lets one be done long before the last.
TIMINGS = Timings(
    pending=0.2, starting=0.2, stopping=0.2, batch_creating=0.5, batch_validating=0.5, submissions_per_second=1
)
# Tasks are forked from the scheduler and DAG files are read in forks too: what is there already need not be loaded.
PRELOADED = (
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow_provider_omics.operators.batch",
    "airflow_provider_omics.sensors.batch",
)


def run_demo(options: Options) -> int:
    """Run the demo and return its exit code; its folder is kept if there is something to look up."""
    folder = ROOT / ".demo"
    folder.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="airflow-", dir=folder))
    logging.basicConfig(filename=home / "local-server.log", level=logging.INFO)
    failed = False
    try:
        code = _run(options, home)
        failed = code != 0
        return code
    except OwnServerError as error:
        say(f"error: the PostgreSQL server of --database cannot be used. {error}")
        return 2
    except (ProcessError, DagImportError, AirflowRefusedError) as error:
        failed = True
        say(f"error: {error}")
        return 1
    finally:
        if failed:
            say(f"The logs are in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


def _run(options: Options, home: Path) -> int:
    own = options.samples()
    if options.database:
        check_own_server(options.database)
    acts = _made(home / "reads") if own is None else _given(own)
    with ExitStack() as stack:
        server = stack.enter_context(LocalOmics(executor="auto", timings=TIMINGS))
        say(f"The local HealthOmics server listens on {server.endpoint_url}")
        server.client("s3").create_bucket(Bucket=BUCKET)
        # Airflow watches the queue of the example about events as soon as it has read that; no rule fills it here.
        events = server.client("sqs").create_queue(QueueName="healthomics-events")["QueueUrl"]
        server.prepare()
        workflow_id = create_workflow(server.client("omics"), EXAMPLES / "workflows" / "read-qc", options.engine)
        say("Airflow is starting (scheduler, triggerer, and what they need) ...")
        settings = {"AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection_uri(), "OMICS_EVENTS_QUEUE": events}
        airflow = AirflowCluster(
            home, EXAMPLES, settings, web=options.ui, preload=PRELOADED, own_server=options.database
        )
        cluster = stack.enter_context(airflow)
        if options.ui:
            _tell_address(cluster)
        good = perform(Stage(server, cluster, workflow_id, options.engine), acts)
        if options.ui:
            _stay(cluster)
        say("\nStopping everything that was started ...")
    return 0 if good else 1


def _made(folder: Path) -> list[Act]:
    samples = make_samples(folder)
    say(f"No sample sheet was given: a script has made the reads of {len(samples)} samples; they are not real.")
    say(f"One file of sample {DAMAGED} is cut off, as by an upload that broke.")
    return [Cohort(samples, CONTROL, 20, frozenset({DAMAGED})), Redrive(samples)]


def _given(samples: list[Sample]) -> list[Act]:
    for sample in samples:
        if len(sample.lanes) > 1:
            say(f"Sample {sample.name}: the reads of {len(sample.lanes)} lanes are joined")
    return [Cohort(samples, samples[0].name)]


def _tell_address(cluster: AirflowCluster) -> None:
    user, password = cluster.login
    say(f"Airflow's web page: {cluster.address} (user {user}, password {password})")


def _stay(cluster: AirflowCluster) -> None:
    """Leave everything running until Ctrl-C or SIGTERM, or until one of the processes ends."""
    say("")
    _tell_address(cluster)
    say(f"Each cohort with its samples, failures and batches, once you are logged in: {cluster.address}/omics/")
    say("Airflow and the local server stay until you press Ctrl-C.")
    try:
        cluster.wait_for(lambda: None, "Ctrl-C", math.inf)
    except (KeyboardInterrupt, SystemExit):
        say("")


def main(arguments: Sequence[str]) -> int:
    """Run the demo; return its exit code, also when it is interrupted."""
    try:
        with ended_by_signals():
            return run_demo(parse(arguments))
    except KeyboardInterrupt:
        say("Interrupted; everything that was started has been stopped.")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
