"""The second part of the demo: only what failed runs again, with the DAG example_omics_batch_redrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demo_setup import BUCKET, Act, Stage, say
from made_samples import DAMAGED, originals
from progress import Watched
from samplesheet import Sample
from staging import run_settings, upload_files, upload_samples

FOLDER = "redrive"


@dataclass(frozen=True)
class Redrive(Act):
    """The same samples again, from files of their own, since the damaged one of them will be mended."""

    samples: Sequence[Sample]

    label = "redrive"
    dag_id = "example_omics_batch_redrive"

    @property
    def plot(self) -> str:
        """What is about to happen."""
        return "the same, of which none may fail; the damaged file is mended before the retry"

    def start(self, stage: Stage) -> None:
        """Upload reads and originals, and trigger the DAG."""
        s3 = stage.server.client("s3")
        uploaded = upload_samples(s3, BUCKET, self.samples, folder=FOLDER)
        folder = upload_files(s3, BUCKET, f"{FOLDER}/originals", originals(self.samples))
        stage.trigger(self.dag_id, {"run_settings": run_settings(uploaded, stage.engine), "originals": folder})

    def tell_end(self, stage: Stage, seen: Watched) -> bool:
        """Tell how many runs it took; return whether one more than there are samples was enough."""
        omics, count = stage.server.client("omics"), len(self.samples)
        runs = {batch_id: len(omics.list_runs(batchId=batch_id)["items"]) for batch_id in seen.batches}
        if seen.state != "success" or sum(runs.values()) != count + 1:
            say(f"{count} samples took {sum(runs.values())} runs.")
            stage.tell_bad_end(seen)
            return False
        story = ", then ".join(f"{number} in batch {batch_id}" for batch_id, number in runs.items())
        say(f"{count} samples took {count + 1} runs: {story}, which is {DAMAGED} with its file mended.")
        return True
