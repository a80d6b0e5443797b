"""A cohort: the checked run settings of a batch as one file, in the order of the input."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.levels import OFF
from airflow_provider_omics.healthomics.requests.start_run import NOT_COMPUTED, digest_without
from airflow_provider_omics.healthomics.requests.start_run_batch import START_RUN_BATCH
from airflow_provider_omics.healthomics.run_settings.inputs import InputChecks
from airflow_provider_omics.healthomics.run_settings.issue_list import IssueList, UnreadableError
from airflow_provider_omics.healthomics.run_settings.json_array import array_entries
from airflow_provider_omics.healthomics.run_settings.locations import SourceLocation, Unit
from airflow_provider_omics.healthomics.run_settings.notes import LeftOut, Note, Notes
from airflow_provider_omics.healthomics.run_settings.parameter_shapes import ParameterShapes
from airflow_provider_omics.healthomics.run_settings.same_reads import SameReads
from airflow_provider_omics.healthomics.run_settings.sample_sheets import SampleSheets
from airflow_provider_omics.healthomics.run_settings.samples import Sample, SampleMaker, SheetOptions, option_issues
from airflow_provider_omics.healthomics.run_settings.sources import Source, find_source
from airflow_provider_omics.healthomics.run_settings.spool import Spool, compact
from airflow_provider_omics.healthomics.run_settings.text import Readable, open_text
from airflow_provider_omics.healthomics.run_settings.validator import ID, SettingValidator, normal_form

__all__ = [
    "MAX_RUNS",
    "Cohort",
    "SheetOptions",
    "entries",
    "read_cohort",
    "run_setting_digest",
    "select",
    "setting_digest",
]

MAX_RUNS = 100_000
"""Most runs of a batch."""

_COHORT_FILE = "cohort file"
# None of these says what is computed.
_NOT_IN_DIGEST = NOT_COMPUTED | {ID}
_DIGEST_LENGTH = 16


@dataclass
class Cohort:
    """The run settings of a batch, as InlineSetting objects in a temporary file.

    :ivar path: a JSON array with one entry a line; :meth:`close` removes it.
    :ivar count: how many entries it has.
    :ivar size: its size in bytes.
    :ivar digest: SHA-256 of its content, in hexadecimal.
    :ivar notes: what the log should tell of how the input was read.
    :ivar left_out: how many rows of a sheet were left out, by reason.
    :ivar default_parameters: names of the parameters that all entries are given by the defaults.
    :ivar shapes: which parameters each entry gives; empty in a cohort that was chosen out of another.
    :ivar sheets: the sheet of each sample, which its settings name the URI of; None where there are none.
    :ivar objects: what the entries name as inputs; None where that was not asked for.
    """

    path: Path
    count: int
    size: int
    digest: str
    notes: tuple[Note, ...] = ()
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)
    default_parameters: frozenset[str] = frozenset()
    origin: SourceLocation = field(default=SourceLocation(_COHORT_FILE, Unit.ENTRY), repr=False)
    numbers: array[int] = field(default_factory=lambda: array("Q"), repr=False)
    sheets: SampleSheets | None = field(default=None, repr=False)
    objects: InputObjects | None = field(default=None, repr=False)
    shapes: ParameterShapes = field(default_factory=ParameterShapes, repr=False)

    def __enter__(self) -> Cohort:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files."""
        self.path.unlink(missing_ok=True)
        if self.sheets is not None:
            self.sheets.close()
        if self.objects is not None:
            self.objects.close()

    def settings(self) -> Iterator[dict[str, Any]]:
        """Read the entries back, one by one."""
        with self.path.open("rb") as stream:
            yield from entries(stream)

    def place(self, index: int) -> str:
        """Return where an entry was written, such as ``cohort.csv row 7``.

        :param index: position of the entry, from 0.
        """
        return self.origin.place([self.numbers[index]])


def read_cohort(
    source: Any, options: SheetOptions, defaults: Mapping[str, Any], open_uri: Callable[[str], BinaryIO]
) -> Cohort:
    """Read and check the run settings of a batch, in memory that does not grow with them.

    :param source: a sequence of objects, its JSON text, or a path or ``s3://`` URI of a JSON, JSONL, CSV or TSV file.
    :param options: how rows become run settings; only grouping rows keeps them in memory.
    :param defaults: the ``defaultRunSetting`` that the run settings will be merged with.
    :param open_uri: opens an ``s3://`` URI.
    :return: 1 to 100,000 run settings; who gets it closes it.
    :raises OmicsRequestInvalidError: with the first 100 problems, and the number of all.

    See https://docs.aws.amazon.com/omics/latest/api/API_InlineSetting.html
    """
    problems = IssueList()
    spool = Spool()
    # Of a cohort that is refused no file is kept.
    with ExitStack() as files:
        files.callback(spool.discard)
        try:
            cohort = _read(source, options, defaults, open_uri, problems, spool, files)
        except UnreadableError as error:
            problems.add(error.issue)
            raise problems.error() from error
        files.pop_all()
    return cohort


def _read(
    given: Any,
    options: SheetOptions,
    defaults: Mapping[str, Any],
    open_uri: Callable[[str], BinaryIO],
    problems: IssueList,
    spool: Spool,
    files: ExitStack,
) -> Cohort:
    wrong = list(option_issues(options))
    if wrong:
        problems.extend(wrong)
        raise problems.error()
    source = find_source(given, open_uri)
    notes = Notes(source.origin)
    maker = SampleMaker(source.origin, options, notes, problems)
    built = options.build_run_setting is not None
    by_column = bool(options.run_setting_id_column) and not built
    origin = replace(source.origin, id_column=options.run_setting_id_column if by_column else None)
    same = None if options.duplicate_inputs == OFF else SameReads(origin, options.duplicate_inputs)
    objects = InputObjects() if options.notes_objects else None
    for one in (maker.sheets, objects):
        if one is not None:
            files.callback(one.close)
    inputs = InputChecks(origin, same, objects, options.sample_sheets, options.texts)
    checks = SettingValidator(
        origin, defaults, inputs, each_row=by_column and not options.group_rows and maker.sheets is None
    )
    numbers, shapes = array("Q"), ParameterShapes()
    for sample in maker.samples(source.read(options.layout, notes, problems)):
        if len(numbers) == MAX_RUNS:
            what = f"has more than {MAX_RUNS:,} run settings"
            raise UnreadableError(origin.name, what, f"Split the cohort into batches of at most {MAX_RUNS:,}")
        setting = normal_form(sample.setting, restored=source.rendered or built)
        text, issues = checks.check(Sample(sample.numbers, setting, sample.rows))
        problems.extend(issues)
        numbers.append(sample.numbers[0])
        if not problems:
            spool.add(text)
            shapes.add(setting)
    problems.extend(checks.closing_issues())
    if not numbers and not problems:
        problems.add(_nothing(source))
    if problems:
        raise problems.error()
    digest = spool.finish()
    inputs.tell(notes)
    names = frozenset(defaults.get("parameters") or ())
    lines, left_out = tuple(notes.lines()), notes.rows_left_out
    return Cohort(
        path=spool.path,
        count=spool.count,
        size=spool.size,
        digest=digest,
        notes=lines,
        left_out=left_out,
        default_parameters=names,
        origin=origin,
        numbers=numbers,
        sheets=maker.sheets,
        objects=objects,
        shapes=shapes,
    )


def _nothing(source: Source) -> Issue:
    if source.origin.unit is Unit.ROW:
        return Issue(source.origin.name, "has a header and no rows", "Give one row per sample below the header")
    return Issue(source.origin.name, "has no run settings", "Give at least one, or skip the task when there are none")


def entries(stream: Readable) -> Iterator[dict[str, Any]]:
    """Yield the entries of a cohort file one by one.

    :param stream: its bytes, from a file or from S3.
    :raises OmicsRequestInvalidError: it is no whole cohort file.
    """
    try:
        for entry in array_entries(open_text(stream, _COHORT_FILE), _COHORT_FILE):
            yield entry.value
    except UnreadableError as error:
        raise OmicsRequestInvalidError(START_RUN_BATCH, [error.issue]) from error


def select(stream: Readable, wanted: Container[str]) -> Cohort:
    """Make a cohort of some entries of a cohort file, in their order.

    :param stream: the bytes of the cohort file.
    :param wanted: the run setting ids to take.
    :return: as many entries as were found; who gets it closes it.
    :raises OmicsRequestInvalidError: the stream is no whole cohort file.
    """
    spool = Spool()
    numbers = array("Q")
    try:
        for number, setting in enumerate(entries(stream), 1):
            if setting[ID] in wanted:
                spool.add(compact(setting))
                numbers.append(number)
        digest = spool.finish()
    except BaseException:
        spool.discard()
        raise
    return Cohort(spool.path, spool.count, spool.size, digest, numbers=numbers)


def setting_digest(setting: Mapping[str, Any]) -> str:
    """Return a short digest of what a run setting asks to be computed; its id, name, tags and priority are left out."""
    return digest_without(_NOT_IN_DIGEST, setting)[:_DIGEST_LENGTH]


def run_setting_digest(setting: Mapping[str, Any]) -> str:
    """Return a short digest of all that a run setting says."""
    return digest_without((), setting)[:_DIGEST_LENGTH]
