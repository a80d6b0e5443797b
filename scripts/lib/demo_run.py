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

from airflow_cluster import AirflowCluster, DagImportError
from airflow_versions import AirflowRefusedError
from child_processes import ProcessError, ended_by_signals
from demo import Options, parse
from progress import Progress
from reads import make_reads
from results import Result, collect, table
from samplesheet import Lane, Sample
from staging import create_workflow, upload_samples
from virtual_environment import ROOT

from airflow_provider_omics.local.server import LocalOmics

BUCKET = "omics-demo"
DAG_ID = "example_omics_run"
DAG_RUN_ID = "demo"
ROLE_ARN = "arn:aws:iam::123456789012:role/OmicsDemo"
MADE_SAMPLES = {"liver_1": (8_000, 0.41), "liver_2": (5_000, 0.43), "kidney_1": (6_500, 0.47)}


def say(text: str) -> None:
    """Tell the user, at once even when the output is not a terminal."""
    print(text, flush=True)


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
    samples = _samples(options, home)
    with ExitStack() as stack:
        server = stack.enter_context(LocalOmics(executor="auto"))
        say(f"The local HealthOmics server listens on {server.endpoint_url}")
        conf = _stage(server, samples)
        say("Airflow is starting (scheduler, triggerer, and what they need) ...")
        connection = {"AIRFLOW_CONN_AWS_DEFAULT": server.airflow_connection_uri()}
        dags = ROOT / "example_dags"
        cluster = stack.enter_context(AirflowCluster(home, dags, connection, web=options.ui))
        cluster.trigger(DAG_ID, DAG_RUN_ID, conf)
        if options.ui:
            _tell_address(cluster)
        say(f"The DAG {DAG_ID} has been triggered")
        state = Progress(cluster, server.client("omics"), DAG_ID, DAG_RUN_ID, say).watch(math.inf)
        code = _summarise(_results(server, samples), state, cluster)
        if options.ui:
            _stay(cluster)
        say("Stopping everything that was started ...")
    return code


def _samples(options: Options, home: Path) -> list[Sample]:
    samples = options.samples()
    if samples is None:
        say("No sample sheet was given: these reads are made by a script, with a fixed seed; they are not real.")
        return [_made_sample(name, home / "reads") for name in MADE_SAMPLES]
    for sample in samples:
        if len(sample.lanes) > 1:
            say(f"Sample {sample.name}: the reads of {len(sample.lanes)} lanes are joined")
    return samples


def _made_sample(name: str, folder: Path) -> Sample:
    folder.mkdir(exist_ok=True)
    pairs, gc = MADE_SAMPLES[name]
    mates = make_reads(name, pairs, gc=gc)
    first, second = (folder / f"{name}_R{mate}.fastq.gz" for mate in (1, 2))
    first.write_bytes(mates.fastq_1)
    second.write_bytes(mates.fastq_2)
    return Sample(name, (Lane(1, first, second),))


def _stage(server: LocalOmics, samples: Sequence[Sample]) -> dict[str, object]:
    """Upload workflow and reads, and return the parameters of the DAG run."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    workflow_id = create_workflow(server.client("omics"), ROOT / "example_dags" / "workflows" / "read-qc")
    uploaded = upload_samples(s3, BUCKET, samples)
    say(f"Workflow read-qc is {workflow_id}; the reads of {len(samples)} samples are in s3://{BUCKET}/reads")
    return {
        "workflow_id": workflow_id,
        "role_arn": ROLE_ARN,
        "output_uri": f"s3://{BUCKET}/runs",
        "samples": uploaded,
    }


def _results(server: LocalOmics, samples: Sequence[Sample]) -> list[Result]:
    return collect(server.client("omics"), server.client("s3"), [sample.name for sample in samples])


def _summarise(results: Sequence[Result], state: str, cluster: AirflowCluster) -> int:
    """Print the table and what went wrong, and return the exit code."""
    say(f"\n{table(results)}\n")
    bad = [(index, result) for index, result in enumerate(results) if result.problem]
    for index, result in bad:
        log = cluster.records.task_log_files(DAG_ID, DAG_RUN_ID, "read_qc", index)
        say(f"Sample {result.sample}, run {result.run_id}: {result.problem}")
        say("".join(f"    Airflow's log of its task: {path}\n" for path in log[:1]))
    if bad or state != "success":
        say(f"{len(bad)} of {len(results)} samples failed; the DAG run's state is {state}.")
        return 1
    say(f"All {len(results)} samples completed, and so did the DAG run.")
    return 0


def _tell_address(cluster: AirflowCluster) -> None:
    user, password = cluster.login
    say(f"Airflow's web page: {cluster.address} (user {user}, password {password})")


def _stay(cluster: AirflowCluster) -> None:
    """Leave everything running until Ctrl-C or SIGTERM, or until one of the processes ends."""
    _tell_address(cluster)
    say("It and the local server stay until you press Ctrl-C.")
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
