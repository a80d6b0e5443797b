"""Runs the examples of the WDL specification through a local HealthOmics server: CreateWorkflow, S3, StartRun."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wdl_examples import Example, SuiteError, read_examples

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

BUCKET = "wdl-examples"
ROLE = "arn:aws:iam::123456789012:role/OmicsConformance"
SECONDS_BETWEEN_LOOKS = 0.1
EPILOG = """\
An example passes if its run completes with the outputs that the specification names, or if it is there to fail and
the workflow or its run is FAILED. The exit code is 0 if at least as many pass as --at-least says, 1 if not, 2 if the
folder cannot be used."""


class Conformance:
    """The specification's examples on one server.

    :param examples: all of them; each may import the others.
    :param data: folder with the files that inputs name.
    """

    def __init__(self, server: LocalOmics, examples: Sequence[Example], data: Path) -> None:
        self._omics, self._s3 = server.client("omics"), server.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)
        self._files = {path.name: path for path in sorted(data.rglob("*")) if path.is_file()}
        for name, path in self._files.items():
            self._s3.upload_file(str(path), BUCKET, f"data/{name}")
        self._archive = self._zip(examples)

    def start(self, example: Example) -> Callable[[], str | None]:
        """Make an example's workflow and start its run.

        :return: waits for the end, and returns what was wrong, or None.
        """
        parameters = self._in_s3(example.inputs)
        template = {"parameterTemplate": {name: {"optional": True} for name in parameters}} if parameters else {}
        made = self._omics.create_workflow(
            name=example.name, engine="WDL", main=example.name, definitionZip=self._archive, **template
        )
        workflow = self._settled(lambda: self._omics.get_workflow(id=made["id"]), ("ACTIVE", "FAILED"))
        if workflow["status"] == "FAILED":
            message: str = workflow["statusMessage"]
            return lambda: None if example.must_fail else f"the workflow is FAILED: {message}"
        run = self._omics.start_run(
            workflowId=made["id"],
            name=example.name,
            roleArn=ROLE,
            outputUri=f"s3://{BUCKET}/out",
            parameters=parameters,
        )
        return lambda: self._judge(example, run["id"])

    def _judge(self, example: Example, run_id: str) -> str | None:
        run = self._settled(lambda: self._omics.get_run(id=run_id), ("COMPLETED", "FAILED", "CANCELLED"))
        if run["status"] != "COMPLETED":
            return None if example.must_fail else f"the run is {run['status']}: {run.get('statusMessage')}"
        if example.must_fail:
            return "the run completed, and should fail"
        key = f"{run['runOutputUri'].removeprefix(f's3://{BUCKET}/')}/logs/outputs.json"
        outputs = json.load(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"])
        return "; ".join(example.differences(outputs)) or None

    @staticmethod
    def _settled(look: Callable[[], dict[str, Any]], ends: tuple[str, ...]) -> dict[str, Any]:
        while (seen := look())["status"] not in ends:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return seen

    def _in_s3(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._in_s3(name): self._in_s3(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._in_s3(inner) for inner in value]
        if isinstance(value, str) and value.rpartition("/")[2] in self._files:
            return f"s3://{BUCKET}/data/{value.rpartition('/')[2]}"
        return value

    @staticmethod
    def _zip(examples: Sequence[Example]) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for example in examples:
                archive.writestr(example.name, example.wdl)
        return content.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="scripts/wdl-conformance", description=__doc__, epilog=EPILOG)
    parser.add_argument("folder", type=Path, help="a checkout of the specification, with SPEC.md and tests/data")
    parser.add_argument("--only", metavar="NAMES", help="examples to run, with commas between")
    parser.add_argument("--at-least", type=int, default=0, metavar="N", help="how many have to pass (default: any)")
    options = parser.parse_args(arguments)
    try:
        examples = read_examples(options.folder)
    except SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = [one for one in examples if not options.only or one.name in options.only.split(",")]
    with LocalOmics(timings=Timings.fast(), quotas=Quotas.wide()) as server:
        suite = Conformance(server, examples, options.folder / "tests" / "data")
        judges = [(one.name, suite.start(one)) for one in chosen]
        wrong = {name: judge() for name, judge in judges}
    for name, why in wrong.items():
        print(f"{'pass' if why is None else 'FAIL'}  {name}{f': {why}' if why else ''}")
    passed = sum(why is None for why in wrong.values())
    print(f"{passed} of {len(wrong)} examples pass")
    return 0 if passed >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
