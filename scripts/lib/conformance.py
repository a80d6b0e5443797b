"""Runs the conformance tests of CWL v1.2 against a local HealthOmics server, as a user of the service would.

Each test is a workflow (CreateWorkflow, its definition in S3), its inputs are objects in S3, it runs by StartRun, and
what came out is read from ``logs/outputs.json`` and the objects that it names.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import time
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from conformance_comparison import Difference, compare
from conformance_suite import ConformanceTest, SuiteError, read_document, read_suite

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

ROLE = "arn:aws:iam::123456789012:role/conformance"
BUCKET = "conformance"
REQUIREMENTS = "cwl:requirements"
_FOLDER = "tests"
_PAUSE_SECONDS = 0.05
_NOT_THE_ENGINES_FAULT = "SERVICE_ERROR"


class Failed(Exception):
    """A definition was refused, or a run failed, with this message."""


@dataclass(frozen=True)
class Verdict:
    """What became of one test.

    :ivar problem: empty if it passed.
    """

    test: ConformanceTest
    problem: str


class ConformanceRunner:
    """Runs tests of one suite on one server.

    :param server: a started server, empty.
    :param suite: the suite's folder.
    """

    def __init__(self, server: LocalOmics, suite: Path) -> None:
        self._omics = server.client("omics")
        self._s3 = server.client("s3")
        self._suite = suite.resolve()

    def upload(self) -> None:
        """Put the suite's files into S3: each as an object, and all as the archive of a definition."""
        self._s3.create_bucket(Bucket=BUCKET)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
            for path in sorted((self._suite / _FOLDER).rglob("*")):
                if path.is_file():
                    key = path.relative_to(self._suite).as_posix()
                    opened.write(path, key)
                    self._s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        self._s3.put_object(Bucket=BUCKET, Key="definition.zip", Body=archive.getvalue())

    def run(self, test: ConformanceTest) -> Verdict:
        """Run one test."""
        try:
            outputs = self._outputs(test)
        except Failed as failure:
            return Verdict(test, "" if test.output is None else str(failure))
        except ClientError as error:
            return Verdict(test, "" if test.output is None else f"refused: {error}")
        except Exception as error:
            return Verdict(test, f"{type(error).__name__}: {error}")
        if test.output is None:
            return Verdict(test, f"it has to fail, and gave {json.dumps(outputs)[:300]}")
        try:
            compare(test.output, outputs)
        except Difference as difference:
            return Verdict(test, str(difference))
        return Verdict(test, "")

    def _outputs(self, test: ConformanceTest) -> Any:
        workflow = self._create(test)
        run_id = self._omics.start_run(
            workflowId=workflow["id"],
            roleArn=ROLE,
            name=test.name[:128],
            outputUri=f"s3://{BUCKET}/results",
            parameters=self._parameters(test, workflow.get("parameterTemplate", {})),
        )["id"]
        run = self._await(lambda: self._omics.get_run(id=run_id), "COMPLETED", "FAILED", "CANCELLED")
        if run["status"] != "COMPLETED":
            if run.get("failureReason") == _NOT_THE_ENGINES_FAULT:
                raise RuntimeError(run.get("statusMessage"))
            raise Failed(f"{run.get('failureReason')}: {run.get('statusMessage')}")
        return self._described(json.loads(self._read(f"{run['runOutputUri']}/logs/outputs.json")))

    def _create(self, test: ConformanceTest) -> dict[str, Any]:
        workflow_id: str = self._omics.create_workflow(
            name=test.name[:128], engine="CWL", main=test.tool, definitionUri=f"s3://{BUCKET}/definition.zip"
        )["id"]
        workflow = self._await(lambda: self._omics.get_workflow(id=workflow_id), "ACTIVE", "FAILED")
        if workflow["status"] == "FAILED":
            raise Failed(f"the workflow is FAILED: {workflow.get('statusMessage')}")
        return workflow

    def _await(self, describe: Callable[[], dict[str, Any]], *statuses: str) -> dict[str, Any]:
        while (answer := describe())["status"] not in statuses:
            time.sleep(_PAUSE_SECONDS)
        return answer

    def _parameters(self, test: ConformanceTest, template: Collection[str]) -> dict[str, Any]:
        """Return the job's inputs without those that the workflow does not have, which StartRun refuses."""
        if test.job is None:
            return {}
        job = read_document(self._suite / test.job) or {}
        wanted = {name: value for name, value in job.items() if name in template or name == REQUIREMENTS}
        parameters: dict[str, Any] = self._in_s3(wanted, PurePosixPath(test.job).parent)
        return parameters

    def _in_s3(self, value: Any, folder: PurePosixPath) -> Any:
        """Return parameters with the S3 URI of every file that they name by its place beside the job."""
        if isinstance(value, list):
            return [self._in_s3(item, folder) for item in value]
        if not isinstance(value, dict):
            return value
        changed = {name: self._in_s3(inner, folder) for name, inner in value.items()}
        if value.get("class") in ("File", "Directory"):
            place = changed.pop("path", None) or changed.get("location")
            if place is not None:
                changed["location"] = self._uri(str(place), folder)
        return changed

    def _uri(self, place: str, folder: PurePosixPath) -> str:
        if "://" in place:
            return place
        path = (self._suite / folder / unquote(place)).resolve()
        return f"s3://{BUCKET}/{path.relative_to(self._suite).as_posix()}"

    def _described(self, value: Any) -> Any:
        """Return outputs with what the objects in S3 themselves say of files."""
        if isinstance(value, list):
            return [self._described(item) for item in value]
        if not isinstance(value, dict):
            return value
        described = {name: self._described(inner) for name, inner in value.items()}
        if value.get("class") == "File":
            content = self._read(value["location"])
            described["size"] = len(content)
            described["checksum"] = f"sha1${hashlib.sha1(content).hexdigest()}"
            described["contents"] = content.decode(errors="replace")
        return described

    def _read(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and print a line for each that fails.

    :param arguments: the words after the command's name; None takes the process's own.
    :return: 0 if enough passed, 1 if not, 2 if there is no such suite or test.
    """
    options = _parser().parse_args(arguments)
    try:
        tests = _chosen(read_suite(options.suite), options)
    except SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    verdicts = run_tests(options.suite, tests, options.jobs)
    _print_sum(verdicts)
    passed = sum(not verdict.problem for verdict in verdicts)
    return 0 if passed >= (len(verdicts) if options.at_least is None else options.at_least) else 1


def run_tests(suite: Path, tests: Iterable[ConformanceTest], jobs: int) -> list[Verdict]:
    """Run tests on a server of their own, several at a time, and tell each that fails."""
    verdicts = []
    with (
        LocalOmics(executor="cwl", timings=Timings.fast(), quotas=Quotas.wide()) as server,
        ThreadPoolExecutor(jobs) as pool,
    ):
        runner = ConformanceRunner(server, suite)
        runner.upload()
        for verdict in pool.map(runner.run, tests):
            verdicts.append(verdict)
            if verdict.problem:
                mark = " (required)" if verdict.test.is_required else ""
                print(f"failed: {verdict.test.name}{mark}: {verdict.problem}", flush=True)
    return verdicts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/conformance", description="Runs CWL's conformance tests against a local HealthOmics server."
    )
    add = parser.add_argument
    add("suite", type=Path, help="folder with the suite, a checkout of common-workflow-language/cwl-v1.2")
    add("--tag", help="only tests with this tag, such as required")
    add("--only", type=lambda text: text.split(","), metavar="NAMES", help="only these tests, with commas between")
    add("--jobs", type=int, default=2, help="tests at a time (default: %(default)s)")
    add("--at-least", type=int, metavar="N", help="how many have to pass (default: all)")
    return parser


def _chosen(tests: list[ConformanceTest], options: argparse.Namespace) -> list[ConformanceTest]:
    unknown = set(options.only or ()) - {test.name for test in tests}
    if unknown:
        raise SuiteError(f"the suite has no test of the name {', '.join(sorted(unknown))}")
    chosen = [
        test
        for test in tests
        if (options.tag is None or options.tag in test.tags) and (options.only is None or test.name in options.only)
    ]
    if not chosen:
        raise SuiteError(f"the suite has no test with the tag {options.tag}")
    return chosen


def _print_sum(verdicts: Sequence[Verdict]) -> None:
    required = [verdict for verdict in verdicts if verdict.test.is_required]
    parts = [
        f"{sum(not verdict.problem for verdict in some)} of {len(some)}{name} passed"
        for some, name in ((verdicts, ""), (required, " required ones"))
    ]
    print("; ".join(parts))


if __name__ == "__main__":
    sys.exit(main())
