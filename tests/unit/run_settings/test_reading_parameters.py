"""Parameters that are given as a file of JSON."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from omics_errors import raises

from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.parameters_file import file_of, read_parameters

URI = "s3://my-bucket/run/parameters.json"


def read(content: bytes | str) -> dict[str, Any]:
    def open_uri(uri: str) -> BinaryIO:
        assert uri == URI
        return io.BytesIO(content if isinstance(content, bytes) else content.encode())

    return read_parameters("StartRun", URI, open_uri)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (URI, URI),
        (f"  {URI}\n", URI),
        ("inputs/run.json", "inputs/run.json"),
        ("file://inputs/run.json", "file://inputs/run.json"),
        (Path("/tmp/run.json"), "/tmp/run.json"),
        ({"a": 1}, None),
        ('{"a": 1}', None),
        ("{'a': 1}", None),
        ("[1]", None),
        ("null", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_no_object_and_no_json_is_a_file(given: Any, name: str | None) -> None:
    assert file_of(given) == name


@pytest.mark.parametrize(
    "content",
    ['{"a": {"b": [1, 2.5, null]}}', '\n {\n "a": {"b": [1, 2.5, null]}\n}\n', '\ufeff{"a":{"b":[1,2.5,null]}}'],
)
def test_one_object_is_read(content: str) -> None:
    assert read(content) == {"a": {"b": [1, 2.5, None]}}


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b"", URI, "is empty"),
        (b'{"a": 1,\n "b": }', f"{URI} line 2, column 7", "is not JSON"),
        (b'{"a": "x\n"}', f"{URI} line 1, column 9", "a quote that is not closed"),
        (b'{"a": 1}\n{"b": 2}', f"{URI} line 2, column 1", "more after the JSON object"),
        (b"[1]", URI, "holds list, not an object"),
        (b"null", URI, "holds NoneType, not an object"),
        (b'{"a": 1, "a": 2}', URI, "has the key 'a' twice"),
        (b'{"a": NaN}', URI, "has NaN"),
        (b'{"a": "\xff"}', f"{URI} line 1, column 8", "byte 0xFF"),
        (b"\xff\xfe{\0}\0", URI, "is UTF-16"),
        (b'{"a": "' + b"x" * 1_000_000 + b'"}', URI, "is longer than 1,000,000 characters"),
    ],
)
def test_what_is_wrong_has_its_line_and_column(content: bytes, where: str, what: str) -> None:
    with pytest.raises(OmicsRequestInvalidError) as caught:
        read(content)
    (issue,) = caught.value.issues
    assert issue.where == where
    assert what in issue.what
    assert issue.fix


@pytest.mark.parametrize("name", ["no/such.json", "file:///no/such.json", "x" * 5000, "a\0b"])
def test_a_file_that_is_not_there_is_refused(name: str) -> None:
    with raises(OmicsRequestInvalidError, match=r"parameters: .* is no file here, no s3:// URI"):
        read_parameters("StartRun", name, lambda _: io.BytesIO())


def test_a_path_and_its_uri_are_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.json").write_text('{"a": 1}')
    monkeypatch.chdir(tmp_path)
    for name in ("run.json", "file://run.json", str(tmp_path / "run.json"), f"file://{tmp_path}/run.json"):
        assert read_parameters("StartRun", name, lambda _: io.BytesIO()) == {"a": 1}
