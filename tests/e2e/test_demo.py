"""The demo, as a user runs it, in the environment of the tests."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
from child_processes import wait_for
from made_samples import make_samples
from postgres import PostgresServer, connect, execute
from reads import damaged, make_reads

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
DEMO = [sys.executable, str(REPOSITORY / "scripts" / "lib" / "demo_run.py")]
TIMEOUT = 1200


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    """Remove what the demo leaves in the checkout for whoever looks into a failure."""
    homes = REPOSITORY / ".demo"
    before = set(homes.glob("*"))
    yield
    for home in set(homes.glob("*")) - before:
        shutil.rmtree(home)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a paired sample in two lanes, one plain, and a single one; its name holds a space."""
    folder = tmp_path / "my data"
    folder.mkdir()
    for lane in ("L1", "L2"):
        mates = make_reads(f"liver_{lane}", 40)
        (folder / f"liver_{lane}_R1.fastq.gz").write_bytes(mates.fastq_1)
        (folder / f"liver_{lane}_R2.fastq.gz").write_bytes(mates.fastq_2)
    plain = folder / "liver L2 R2.fq"
    plain.write_bytes(gzip.decompress((folder / "liver_L2_R2.fastq.gz").read_bytes()).rstrip(b"\n"))
    (folder / "kidney.fastq.gz").write_bytes(make_reads("kidney", 25).fastq_1)
    return folder


def sheet(folder: Path, *rows: str) -> Path:
    """Write a sheet as a spreadsheet program does: with a byte order mark and line ends of two characters."""
    path = folder / "sheet.csv"
    lines = ["sample,fastq_1,fastq_2,strandedness", *rows]
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    return path


def run_demo(output: Path, *arguments: str) -> tuple[int, str]:
    """Run the demo to its end; return its exit code and what it printed."""
    with started_demo(output, *arguments) as demo:
        code = demo.wait(timeout=TIMEOUT)
    return code, output.read_text()


def rows_of(output: str) -> dict[str, list[str]]:
    """Read the printed table: the cells after the sample's name, by that name."""
    lines = output.splitlines()
    ruler = next(number for number, line in enumerate(lines) if re.fullmatch(r"-+(  -+)+", line))
    assert lines[ruler - 1].split()[:3] == ["sample", "run", "status"]
    table = lines[ruler + 1 : lines.index("", ruler)]
    return {cells[0]: cells[1:] for cells in (line.split() for line in table)}


def counted(*files: Path) -> list[str]:
    """Count the reads of FASTQ files, and print the figures as the table does."""
    text = b"".join(
        gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() + b"\n" for file in files
    )
    lines = text.splitlines()
    sequence, scores = b"".join(lines[1::4]), [value - 33 for value in b"".join(lines[3::4])]
    gc = sum(base in b"GC" for base in sequence) / len(sequence)
    q30 = sum(score >= 30 for score in scores) / len(scores)
    mean = sum(scores) / len(scores)
    return [f"{len(lines) // 4:,}", f"{len(sequence):,}", f"{mean:.2f}", f"{gc:.2%}", f"{q30:.2%}"]


@pytest.mark.skipif(version("apache-airflow").startswith("2."), reason="scripts/demo takes Airflow 3.3")
def test_of_twelve_made_samples_the_damaged_one_fails_and_only_that_one_runs_again(tmp_path: Path) -> None:
    code, printed = run_demo(tmp_path / "output.txt")

    assert code == 0, printed
    rows = rows_of(printed)
    samples = {sample.name: sample.files for sample in make_samples(tmp_path)}
    assert list(rows) == list(samples)
    for name, files in samples.items():
        if name == "kidney_3":
            assert rows[name][1:7] == ["FAILED", "-", "-", "-", "-", "-"]
        else:
            assert rows[name][1:7] == ["COMPLETED", *counted(*files["fastq_1"], *files["fastq_2"])]
    assert "kidney_3_R2.fastq.gz: the gzip data end too early; the file is truncated" in printed
    assert "read the files of 11 samples and came to the same figures" in printed
    ended = {match[1]: int(match[2]) for match in re.finditer(r"batch (\d+): PROCESSED, (\d+) of", printed)}
    redriven = re.search(r"12 samples took 13 runs: 12 in batch (\d+), then 1 in batch (\d+), which", printed)
    assert redriven is not None, printed
    assert [ended.pop(batch_id) for batch_id in redriven.groups()] == [11, 1]
    assert list(ended.values()) == [11]


def test_figures_of_a_good_sheet_are_those_of_the_files_and_the_page_stays(data: Path) -> None:
    path = sheet(
        data,
        "liver,liver_L1_R1.fastq.gz,liver_L1_R2.fastq.gz,auto",
        "kidney,kidney.fastq.gz,,auto",
        '"liver",liver_L2_R1.fastq.gz,"liver L2 R2.fq",auto',
    )
    output = data / "output.txt"

    with started_demo(output, "--samplesheet", str(path), "--ui") as demo:
        wait_for(lambda: "press Ctrl-C" in output.read_text() or demo.poll() is not None, "its end", TIMEOUT)
        printed = output.read_text()
        address = re.search(r"web page: (\S+) \(user admin, password \S+\)", printed)
        assert address is not None, printed
        assert f"once you are logged in: {address.group(1)}/omics/\n" in printed
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address.group(1)) as page:
            assert b"Airflow" in page.read()
        demo.send_signal(signal.SIGINT)
        code = demo.wait(timeout=TIMEOUT)

    assert code == 0, output.read_text()
    assert "the reads of 2 lanes are joined" in printed
    assert "read the files of 2 samples and came to the same figures" in printed
    rows = rows_of(printed)
    assert list(rows) == ["liver", "kidney"]
    liver = [data / name for name in ("liver_L1_R1.fastq.gz", "liver_L2_R1.fastq.gz", "liver_L1_R2.fastq.gz")]
    assert rows["liver"][1:7] == ["COMPLETED", *counted(*liver, data / "liver L2 R2.fq")]
    assert rows["kidney"][1:7] == ["COMPLETED", *counted(data / "kidney.fastq.gz")]
    assert all(re.fullmatch(r"s3://\S+", cells[7]) for cells in rows.values())


def test_a_truncated_sample_fails_alone_and_has_a_log_to_look_at_on_a_server_of_ones_own(data: Path) -> None:
    whole = (data / "kidney.fastq.gz").read_bytes()
    (data / "broken.fastq.gz").write_bytes(damaged(whole))
    path = sheet(data, "broken,broken.fastq.gz,,", "kidney,kidney.fastq.gz,,")

    with PostgresServer(data / "postgresql.log") as server:
        execute(server.url(), "CREATE ROLE omics LOGIN CREATEDB PASSWORD 'not to be told'")
        address = server.url().replace("airflow@", "omics:not%20to%20be%20told@")
        code, printed = run_demo(data / "output.txt", "--samplesheet", str(path), "--database", address)
        with closing(connect(server.url())) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")
            assert cursor.fetchall() == [("postgres",)]

    assert code == 1, printed
    assert "not to be told" not in printed.replace("%20", " ")
    rows = rows_of(printed)
    assert rows["broken"][1:7] == ["FAILED", "-", "-", "-", "-", "-"]
    assert rows["kidney"][1:7] == ["COMPLETED", *counted(data / "kidney.fastq.gz")]
    message = "broken.fastq.gz: the gzip data end too early; the file is truncated"
    assert message in printed
    assert "1 of 2 samples failed" in printed
    assert "read the files of 1 sample and came to the same figures" in printed
    log = re.search(r"Airflow's log of the task control: (.+)", printed)
    assert log is not None, printed
    assert message in Path(log.group(1)).read_text()


def test_an_interrupted_demo_leaves_nothing_running(data: Path) -> None:
    path = sheet(data, "kidney,kidney.fastq.gz,,")
    output = data / "output.txt"

    with started_demo(output, "--samplesheet", str(path)) as demo:
        wait_for(lambda: "task cohort: deferred" in output.read_text() or demo.poll(), "the batch", TIMEOUT)
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        code = demo.wait(timeout=TIMEOUT)

    assert code == 128 + signal.SIGINT, output.read_text()
    assert len(family) >= 3
    assert [process for process in family if runs(process)] == []


def runs(process: psutil.Process) -> bool:
    """Say whether a process still does something; one that has ended may wait for its parent to notice."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def started_demo(output: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the demo with its output in a file, and see to it that it ends."""
    with output.open("wb") as out:
        demo = subprocess.Popen([*DEMO, *arguments], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield demo
    finally:
        if demo.poll() is None:
            os.kill(demo.pid, signal.SIGTERM)
            demo.wait(timeout=TIMEOUT)
