"""The first half of the demo: checks what was asked for, makes the environment, and goes on inside it.

Needs nothing but Python's own library, so that a mistake is told at once and ``--help`` installs nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from samplesheet import Sample, SheetError, read_samplesheet
from virtual_environment import InstallError, ensure

DESCRIPTION = """\
Start a local HealthOmics server and a real Airflow, run a read QC workflow on a cohort of samples with the DAG
example_dags/example_omics_batch.py, print what it measured, and check that against the FASTQ files. Without a sample
sheet, a script makes 12 samples, one of them damaged, and example_dags/example_omics_batch_redrive.py shows that only
that one runs again once its file is mended. Needs no AWS account. Everything that is started is stopped at the end."""
EPILOG = """\
The exit code is 0 only if the runs of all samples in the sheet completed, or without one if all went as described;
1 if not, 2 if the sample sheet or the database server cannot be used."""
SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    :ivar samplesheet: the user's reads; None for reads that a script makes.
    :ivar ui: whether to leave Airflow and the server running at the end.
    :ivar database: address of the user's PostgreSQL server; None to start one.
    :ivar engine: what the workflow is written in, ``CWL`` or ``WDL``.
    """

    samplesheet: Path | None
    ui: bool
    database: str | None
    engine: str = "CWL"

    def samples(self) -> list[Sample] | None:
        """Read the sample sheet, if there is one.

        :raises SheetError: it cannot be used.
        """
        return read_samplesheet(self.samplesheet) if self.samplesheet else None


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--samplesheet",
        type=Path,
        metavar="CSV",
        help="your own FASTQ files, plain or gzipped: a CSV file with the columns of nf-core's rnaseq sheet, sample,"
        " fastq_1, fastq_2; rows of the same sample are lanes, which are joined",
    )
    parser.add_argument(
        "--ui", action="store_true", help="leave Airflow's web page and the server running until Ctrl-C"
    )
    parser.add_argument(
        "--database",
        type=_address,
        metavar="URL",
        help="a PostgreSQL server of your own, postgresql://user:password@host:5432/database, in place of one that is"
        " started here; Airflow's tables go into a database airflow_omics_... that is made there and dropped at the"
        " end, so that the role needs CREATEDB, and the one that you name is not touched. Special characters in the"
        " password are written as %%XX; without a password in it, PGPASSWORD and ~/.pgpass are used",
    )
    parser.add_argument(
        "--engine",
        type=str.upper,
        choices=("CWL", "WDL"),
        default="CWL",
        help="language of the workflow, which is there in both: cwl or wdl (default: cwl)",
    )
    options = parser.parse_args(arguments)
    return Options(options.samplesheet, options.ui, options.database, options.engine)


def _address(text: str) -> str:
    """Check the beginning of an address; the rest is told to nobody, since it may hold a password."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise argparse.ArgumentTypeError("takes an address such as postgresql://user:password@host:5432/database")
    if scheme.partition("+")[0] not in SCHEMES:
        raise argparse.ArgumentTypeError(f"takes a PostgreSQL server, postgresql://..., not {scheme}://...")
    return text


def prepare(arguments: Sequence[str]) -> Path:
    """Check what was asked for, and return the Python of the environment that the demo runs in.

    :raises SystemExit: something is wrong; it has been told.
    """
    try:
        parse(arguments).samples()
        return ensure("demo")
    except SheetError as error:
        print(f"error: the sample sheet cannot be used, and nothing was started.\n{error}", file=sys.stderr)
        raise SystemExit(2) from error
    except InstallError as error:
        print(f"error: {error}.", file=sys.stderr)
        raise SystemExit(1) from error


def main(arguments: Sequence[str]) -> NoReturn:
    """Prepare, then become :mod:`demo_run`."""
    python = prepare(arguments)
    os.execv(python, [str(python), str(Path(__file__).with_name("demo_run.py")), *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
