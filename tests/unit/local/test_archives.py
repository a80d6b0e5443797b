"""Archives that are made to harm whoever unpacks them."""

from __future__ import annotations

import contextlib
import io
import stat
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_omics.local.workflows.archives import DefinitionArchive, DefinitionError

MIB = 1 << 20
TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: 'true'\ninputs: []\noutputs: []\n"


def zipped(fill: Callable[[zipfile.ZipFile], None], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression, compresslevel=1) as archive:
        archive.writestr("main.cwl", TOOL)
        fill(archive)
    return content.getvalue()


def member(name: str, kind: int, content: str = "") -> Callable[[zipfile.ZipFile], None]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return lambda archive: archive.writestr(info, content)


def zeros(size: int, claimed: int) -> Callable[[zipfile.ZipFile], None]:
    """Write a file of zeros, and let the archive's directory claim another size for it."""

    def fill(archive: zipfile.ZipFile) -> None:
        with archive.open("zeros", "w", force_zip64=True) as file:
            for _block in range(size // MIB):
                file.write(bytes(MIB))
        archive.getinfo("zeros").file_size = claimed

    return fill


def many(archive: zipfile.ZipFile) -> None:
    for number in range(10_000):
        archive.writestr(zipfile.ZipInfo(f"{number}"), b"")


def nothing(_archive: zipfile.ZipFile) -> None:
    """Leave it at the main file."""


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("./main.cwl", TOOL)


def file_and_folder(archive: zipfile.ZipFile) -> None:
    archive.writestr("data", "")
    archive.writestr("data/x", "")


def deep(archive: zipfile.ZipFile) -> None:
    for number in range(100):
        archive.writestr(zipfile.ZipInfo(f"{number}/" + "x/" * 450 + "x"), b"")


def flood(archive: zipfile.ZipFile) -> None:
    for number in range(300):
        archive.writestr(f"{number}", b"")
        archive.getinfo(f"{number}").file_size = MIB


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Check that no more than 32 MiB are used within."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(zipped, zeros(MIB, 10 << 30)), "more than 256 MiB when it is unpacked"),
        (partial(zipped, zeros(257 * MIB, 257 * MIB)), "more than 256 MiB when it is unpacked"),
        (partial(zipped, flood), "more than 256 MiB when it is unpacked"),
        (partial(zipped, zeros(300 * MIB, 1000)), "Bad CRC"),
        (partial(zipped, many), "more than 10,000 files"),
        (partial(zipped, member("/etc/evil", stat.S_IFREG)), "'/etc/evil', which lies outside"),
        (partial(zipped, member("a/../../evil", stat.S_IFREG)), "which lies outside"),
        (partial(zipped, member("..\\evil", stat.S_IFREG)), "which lies outside"),
        (partial(zipped, member("C:evil", stat.S_IFREG)), "which lies outside"),
        (partial(zipped, member("link", stat.S_IFLNK, "/etc/passwd")), "'link', which is a link"),
        (partial(zipped, member("disk", stat.S_IFBLK)), "'disk', which is neither a file nor a folder"),
        (partial(zipped, member("pipe", stat.S_IFIFO)), "'pipe', which is neither a file nor a folder"),
        (partial(zipped, member("x" * 300, stat.S_IFREG)), "name is too long"),
        (partial(zipped, member("x/" * 600 + "x", stat.S_IFREG)), "name is too long"),
        (partial(zipped, twice), "twice"),
        (partial(zipped, file_and_folder), "'data' as a file and as a folder"),
        (partial(zipped, deep), "more than 10,000 folders; nest them less"),
        (partial(zipped, nothing, zipfile.ZIP_BZIP2), "use deflate"),
        (partial(zipped, nothing, zipfile.ZIP_LZMA), "use deflate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_takes_no_memory(make: Callable[[], bytes], message: str) -> None:
    content = make()
    with little_memory(), pytest.raises(DefinitionError, match=message):
        DefinitionArchive(content).content_digest()


def test_a_large_file_is_unpacked_but_not_read_as_text(tmp_path: Path) -> None:
    content = zipped(zeros(20 * MIB, 20 * MIB))
    with little_memory():
        archive = DefinitionArchive(content)
        archive.content_digest()
        assert list(archive) == ["main.cwl", "zeros"]
        assert archive["main.cwl"].decode() == TOOL
        with pytest.raises(DefinitionError, match="'zeros' is larger than 8 MiB"):
            archive["zeros"]
        archive.extract(tmp_path / "definition")
    assert tmp_path.joinpath("definition", "zeros").stat().st_size == 20 * MIB


def test_permissions_are_kept_but_never_more_than_a_file_s(tmp_path: Path) -> None:
    content = zipped(member("run.sh", stat.S_IFREG | stat.S_ISUID | stat.S_ISGID))
    DefinitionArchive(content).extract(tmp_path / "definition")
    assert stat.S_IMODE(tmp_path.joinpath("definition", "run.sh").stat().st_mode) == 0o777


def test_the_digest_is_of_names_and_contents_in_any_order_at_any_time() -> None:
    def digest(*files: tuple[str, str], year: int = 2026) -> str:
        def fill(archive: zipfile.ZipFile) -> None:
            for name, text in files:
                archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), text)

        return DefinitionArchive(zipped(fill)).content_digest()

    first = digest(("a", "1"), ("b", "2"))
    assert digest(("b", "2"), ("a", "1"), year=1999) == first
    assert (
        len({first, digest(("a", "1"), ("b", "3")), digest(("a", "1"), ("c", "2")), digest(("a", "12"), ("b", ""))})
        == 4
    )
