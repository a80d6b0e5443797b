"""The first part of the demo: a cohort as one batch, with the DAG example_omics_batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demo_setup import BUCKET, DAG_RUN_ID, Act, Stage, say
from progress import Watched
from results import Result, differences, read_table, table
from samplesheet import Sample
from staging import upload_samples, upload_sheet


@dataclass(frozen=True)
class Cohort(Act):
    """Samples, and what should come of them.

    :ivar control: name of the control sample.
    :ivar control_quality: lowest mean base quality that it may have.
    :ivar damaged: names of the samples that have to fail.
    """

    samples: Sequence[Sample]
    control: str
    control_quality: float = 0
    damaged: frozenset[str] = frozenset()

    label = "cohort"
    dag_id = "example_omics_batch"

    @property
    def plot(self) -> str:
        """What is about to happen."""
        return f"{len(self.samples)} samples as one batch, of which one may fail"

    def start(self, stage: Stage) -> None:
        """Upload reads and sheet, and trigger the DAG."""
        s3 = stage.server.client("s3")
        conf = {
            "sheet": upload_sheet(s3, BUCKET, upload_samples(s3, BUCKET, self.samples)),
            "control": self.control,
            "control_quality": self.control_quality,
            "engine": stage.engine,
        }
        stage.trigger(self.dag_id, conf)

    def tell_end(self, stage: Stage, seen: Watched) -> bool:
        """Print the table and check it against the files; return whether all is as expected."""
        uris = stage.cluster.records.xcoms(self.dag_id, DAG_RUN_ID, "qc_table")
        if not uris:
            say("There is no table.")
            stage.tell_bad_end(seen)
            return False
        results = read_table(stage.server.client("s3"), uris[-1])
        say(f"{table(results)}\n")
        self._tell_control(seen)
        as_expected = self._tell_failures(results)
        equal = self._tell_check(results)
        if seen.state != "success":
            stage.tell_bad_end(seen)
        return as_expected and equal and seen.state == "success"

    def _tell_control(self, seen: Watched) -> None:
        checked = seen.changed.get("task check_control")
        done = max((seen.changed[f"batch {batch_id}"] for batch_id in seen.batches), default=None)
        if checked is not None and done is not None and checked < done:
            say(f"The control sample, {self.control}, was checked {done - checked:.0f} s before the batch was done.")

    def _tell_failures(self, results: Sequence[Result]) -> bool:
        """Tell which samples failed and why, and return whether they are those that had to."""
        failed = [result for result in results if result.problem]
        for result in failed:
            meant = ", as it had to" if result.sample in self.damaged else ""
            say(f"Sample {result.sample}, run {result.run_id}, failed{meant}: {result.problem}")
        if {result.sample for result in failed} == self.damaged:
            tolerated = ", and the failure is tolerated" if failed else ""
            say(f"{len(results) - len(failed)} of {len(results)} samples completed{tolerated}.")
            return True
        say(f"{len(failed)} of {len(results)} samples failed.")
        return False

    def _tell_check(self, results: Sequence[Result]) -> bool:
        """Count the files anew, tell what comes of it, and return whether the table is right."""
        files = {sample.name: [path for paths in sample.files.values() for path in paths] for sample in self.samples}
        wrong = list(differences(results, files))
        if [result.sample for result in results] != list(files):
            wrong.append("the rows are not the samples of the sheet in their order")
        for difference in wrong:
            say(f"NOT EQUAL: {difference}")
        measured = sum(bool(result.figures) for result in results)
        if measured and not wrong:
            of = "1 sample" if measured == 1 else f"{measured} samples"
            say(f"Checked: another program, which only counts, read the files of {of} and came to the same figures.")
        return not wrong
