"""The sheets that people have become the run settings that they mean."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_omics.healthomics.run_settings.cohort import Cohort, setting_digest

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

RNASEQ = """sample,fastq_1,fastq_2,strandedness
WT_REP1,s3://reads/wt1_L1_R1.fastq.gz,s3://reads/wt1_L1_R2.fastq.gz,auto
WT_REP1,s3://reads/wt1_L2_R1.fastq.gz,s3://reads/wt1_L2_R2.fastq.gz,auto
RAP1_UNINDUCED_REP1,s3://reads/rap1_R1.fastq.gz,,reverse
"""

SAREK = """patient,sex,status,sample,lane,fastq_1,fastq_2
P1,XX,0,P1_N,L1,s3://reads/p1n_L1_1.fq.gz,s3://reads/p1n_L1_2.fq.gz
P1,XX,1,P1_T,L1,s3://reads/p1t_L1_1.fq.gz,s3://reads/p1t_L1_2.fq.gz
P1,XX,1,P1_T,L2,s3://reads/p1t_L2_1.fq.gz,s3://reads/p1t_L2_2.fq.gz
P2,XY,0,P2_N,L1,s3://reads/p2n_L1_1.fq.gz,s3://reads/p2n_L1_2.fq.gz
P1,XX,0,P1_N,L2,s3://reads/p1n_L2_1.fq.gz,s3://reads/p1n_L2_2.fq.gz
"""

GATK = """sample_name,read_group,fastq_1,fastq_2,platform
NA12878,H06HD.1,s3://reads/H06HD_1_R1.fastq.gz,s3://reads/H06HD_1_R2.fastq.gz,illumina
NA12878,H06HD.2,s3://reads/H06HD_2_R1.fastq.gz,s3://reads/H06HD_2_R2.fastq.gz,illumina
NA12891,H06JU.1,s3://reads/H06JU_1_R1.fastq.gz,s3://reads/H06JU_1_R2.fastq.gz,illumina
"""


def settings(cohort: Cohort) -> list[dict[str, Any]]:
    return list(cohort.settings())


def test_lanes_of_an_rnaseq_sample_become_lists_and_an_empty_mate_is_left_out(write: Write, read: Read) -> None:
    cohort = read(write("samplesheet.csv", RNASEQ), "sample", group_rows=True)
    assert settings(cohort) == [
        {
            "runSettingId": "WT_REP1",
            "parameters": {
                "fastq_1": ["s3://reads/wt1_L1_R1.fastq.gz", "s3://reads/wt1_L2_R1.fastq.gz"],
                "fastq_2": ["s3://reads/wt1_L1_R2.fastq.gz", "s3://reads/wt1_L2_R2.fastq.gz"],
                "strandedness": ["auto", "auto"],
            },
        },
        {
            "runSettingId": "RAP1_UNINDUCED_REP1",
            "parameters": {"fastq_1": ["s3://reads/rap1_R1.fastq.gz"], "strandedness": ["reverse"]},
        },
    ]


def test_a_mate_that_one_lane_lacks_keeps_its_position_as_null(write: Write, read: Read) -> None:
    sheet = "sample,fastq_1,fastq_2\nS,a_1,\nS,b_1,b_2\n"
    (setting,) = settings(read(write("s.csv", sheet), "sample", group_rows=True))
    assert setting["parameters"] == {"fastq_1": ["a_1", "b_1"], "fastq_2": [None, "b_2"]}


def test_lanes_of_a_sarek_sample_need_not_be_neighbours_and_samples_keep_the_order_of_their_first_row(
    write: Write, read: Read
) -> None:
    cohort = read(write("sarek.csv", SAREK), "sample", group_rows=True)
    rows = settings(cohort)
    assert [row["runSettingId"] for row in rows] == ["P1_N", "P1_T", "P2_N"]
    assert rows[0]["parameters"]["lane"] == ["L1", "L2"]
    assert rows[0]["parameters"]["fastq_2"] == ["s3://reads/p1n_L1_2.fq.gz", "s3://reads/p1n_L2_2.fq.gz"]
    assert rows[1]["parameters"]["status"] == ["1", "1"]
    assert rows[2]["parameters"]["patient"] == ["P2"]


def fastq_pairs(rows: list[dict[str, str]]) -> dict[str, Any]:
    pairs = [{name: row[name] for name in ("read_group", "fastq_1", "fastq_2", "platform")} for row in rows]
    return {"parameters": {"sample_name": rows[0]["sample_name"], "fastq_pairs": pairs}, "priority": len(rows)}


def test_a_function_builds_fastq_pairs_of_the_rows_of_one_sample(write: Write, read: Read) -> None:
    cohort = read(write("gatk.csv", GATK), "sample_name", build_run_setting=fastq_pairs)
    first, second = settings(cohort)
    assert (first["runSettingId"], first["priority"]) == ("NA12878", 2)
    assert first["parameters"]["sample_name"] == "NA12878"
    assert first["parameters"]["fastq_pairs"] == [
        {
            "read_group": f"H06HD.{lane}",
            "fastq_1": f"s3://reads/H06HD_{lane}_R1.fastq.gz",
            "fastq_2": f"s3://reads/H06HD_{lane}_R2.fastq.gz",
            "platform": "illumina",
        }
        for lane in (1, 2)
    ]
    assert (second["runSettingId"], len(second["parameters"]["fastq_pairs"])) == ("NA12891", 1)


def test_a_function_may_give_another_id_and_gets_all_rows_with_all_cells(write: Write, read: Read) -> None:
    seen = []

    def build(rows: list[dict[str, str]]) -> dict[str, Any]:
        seen.append(rows)
        return {"runSettingId": f"germline-{rows[0]['s']}", "parameters": {"pair": (1, 2)}}

    cohort = read(write("x.csv", "s,x\n A ,\nB,1\nA, 2 \n"), "s", build_run_setting=build)
    assert seen == [[{"s": "A", "x": ""}, {"s": "A", "x": "2"}], [{"s": "B", "x": "1"}]]
    assert settings(cohort) == [
        {"runSettingId": "germline-A", "parameters": {"pair": [1, 2]}},
        {"runSettingId": "germline-B", "parameters": {"pair": [1, 2]}},
    ]


def test_rows_of_json_go_to_a_function_with_null_as_empty_text(read: Read) -> None:
    seen = []

    def build(rows: list[dict[str, Any]]) -> dict[str, Any]:
        seen.append(rows)
        return {"runSettingId": None, "parameters": {}}

    cohort = read([{"s": 1, "x": None, "n": 5}], "s", build_run_setting=build)
    assert seen == [[{"s": "1", "x": "", "n": 5}]]
    assert settings(cohort) == [{"runSettingId": "1", "parameters": {}}]


EXPECTED = [
    {"runSettingId": "S1", "parameters": {"reads": "s3://b/1", "note": "a, b"}},
    {"runSettingId": "S2", "parameters": {"reads": "s3://b/2"}},
]
PLAIN = 'id,reads,note\nS1,s3://b/1,"a, b"\nS2,s3://b/2,\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", PLAIN),
        ("UPPER.CSV", PLAIN),
        ("bom.csv", b"\xef\xbb\xbf" + PLAIN.encode()),
        ("windows.csv", PLAIN.replace("\n", "\r\n")),
        ("old-mac.csv", PLAIN.replace("\n", "\r")),
        ("no-end.csv", PLAIN.removesuffix("\n")),
        ("empty-lines.csv", PLAIN + "\n\n\r\n"),
        ("leading-lines.csv", "\n,,\n" + PLAIN),
        ("delimiters.csv", PLAIN + ",,\n,,,,,\n , ,\n"),
        ("quoted.csv", '"id","reads","note"\n"S1","s3://b/1","a, b"\n"S2","s3://b/2",""\n'),
        ("tabs.tsv", "id\treads\tnote\nS1\ts3://b/1\ta, b\nS2\ts3://b/2\t\n"),
        ("packed.csv.gz", gzip.compress(PLAIN.encode())),
        ("packed.csv", gzip.compress(PLAIN.encode())),
        ("parts.csv.gz", gzip.compress(PLAIN[:20].encode()) + gzip.compress(PLAIN[20:].encode())),
        ("rows.json", '[{"id": "S1", "reads": "s3://b/1", "note": "a, b"}, {"id": "S2", "reads": "s3://b/2"}]'),
        ("rows.jsonl", '{"id": "S1", "reads": "s3://b/1", "note": "a, b"}\n\n{"id": "S2", "reads": "s3://b/2"}'),
        (
            "rows.ndjson.gz",
            gzip.compress(
                b'{"id": "S1", "reads": "s3://b/1", "note": "a, b"}\r\n{"id": "S2", "reads": "s3://b/2", "note": null}'
            ),
        ),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_every_way_to_write_a_sheet_means_the_same(name: str, content: str | bytes, write: Write, read: Read) -> None:
    path = write(name, content)
    assert settings(read(path, "id")) == EXPECTED
    assert settings(read(Path(path), "id")) == EXPECTED


class ShortReads(io.BytesIO):
    """Gives one byte at a time, as a slow connection may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if size else 0)


@pytest.mark.parametrize(
    ("name", "packed"), [("x.csv", False), ("x.CSV.GZ", True), ("x.csv", True)], ids=["plain", "gz", "unnamed gz"]
)
def test_an_object_in_s3_is_read_whatever_pieces_it_comes_in(name: str, packed: bool, read: Read) -> None:
    content = gzip.compress(PLAIN.encode()) if packed else PLAIN.encode()
    opened = []

    def open_uri(uri: str) -> io.BytesIO:
        opened.append((uri, ShortReads(content)))
        return opened[-1][1]

    assert settings(read(f" s3://bucket/cohort/{name} ", "id", open_uri=open_uri)) == EXPECTED
    ((uri, stream),) = opened
    assert uri == f"s3://bucket/cohort/{name}"
    assert stream.closed


def test_values_keep_line_breaks_and_letters_of_any_language(write: Write, read: Read) -> None:
    cohort = read(write("x.csv", 'id,x\nå→1,"zwei\nZeilen ""ß"""\r\nB,ok\n'), "id")
    assert settings(cohort) == [
        {"runSettingId": "å→1", "parameters": {"x": 'zwei\nZeilen "ß"'}},
        {"runSettingId": "B", "parameters": {"x": "ok"}},
    ]
    assert [cohort.place(index).rpartition(" ")[2] for index in (0, 1)] == ["2", "3"]


def test_rows_of_json_keep_the_types_of_their_values(read: Read) -> None:
    cohort = read([{"s": 17, "n": 3, "ok": False, "none": None, "empty": "", "r": 0.5}], "s")
    assert settings(cohort) == [{"runSettingId": "17", "parameters": {"n": 3, "ok": False, "r": 0.5}}]


def test_grouped_rows_of_json_may_lack_members(read: Read) -> None:
    rows = [{"s": "A", "x": 1}, {"s": "A", "y": "b"}, {"s": "A", "z": None}]
    assert settings(read(rows, "s", group_rows=True)) == [
        {"runSettingId": "A", "parameters": {"x": [1, None, None], "y": [None, "b", None]}}
    ]


def test_a_template_may_render_to_json_text_or_to_text_where_numbers_belong(read: Read) -> None:
    text = ' [{"runSettingId": "A", "priority": "5", "parameters": {"n": 1}, "name": null}] '
    assert settings(read(text)) == [{"runSettingId": "A", "priority": 5, "parameters": {"n": 1}}]
    rendered = [{"runSettingId": 7, "parameters": '{"n": [1]}', "runTags": {"lane": 2}}]
    assert settings(read(rendered)) == [{"runSettingId": "7", "parameters": {"n": [1]}, "runTags": {"lane": "2"}}]


class LazySequence(Sequence[Any]):
    """Fetches its items when they are asked for, as Airflow's sequence of the XComs of mapped tasks does."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return [{"runSettingId": "A"}, {"runSettingId": "B", "parameters": {"x": (1,)}}][index]


def test_a_lazy_sequence_of_an_upstream_task_is_a_list(read: Read) -> None:
    assert settings(read(LazySequence())) == [{"runSettingId": "A"}, {"runSettingId": "B", "parameters": {"x": [1]}}]


class StoragePath(os.PathLike[str]):
    """A path to an object in S3, as Airflow's ObjectStoragePath is."""

    def __fspath__(self) -> str:
        return "s3://bucket/a.csv"


def test_a_path_that_is_an_s3_uri_is_opened_as_one(read: Read) -> None:
    cohort = read(
        StoragePath(), "id", open_uri=lambda uri: io.BytesIO(PLAIN.encode() if uri.endswith("a.csv") else b"")
    )
    assert settings(cohort) == EXPECTED


@pytest.mark.parametrize("column", [None, ""])
def test_no_id_column_means_run_settings_by_the_names_of_the_api(column: str | None, read: Read) -> None:
    assert settings(read([{"runSettingId": "A", "priority": 1}], column)) == [{"runSettingId": "A", "priority": 1}]


def test_what_a_sample_asks_for_does_not_change_with_its_name() -> None:
    setting = {"runSettingId": "A", "name": "n", "runTags": {"t": "1"}, "parameters": {"a": 1, "b": 2}}
    digest = setting_digest(setting)
    assert setting_digest({"parameters": {"b": 2, "a": 1}, "runSettingId": "B"}) == digest
    assert setting_digest({**setting, "parameters": {"a": 1, "b": 3}}) != digest
    assert setting_digest({**setting, "outputUri": "s3://other/place"}) != digest
    assert setting_digest({**setting, "priority": 5}) == digest
    assert len(digest) == 16
