"""Images that a definition names: no false alarm about names that are only parts of names, or not needed."""

from __future__ import annotations

import json

import pytest

from airflow_provider_omics.preflight.check import judge_status
from airflow_provider_omics.preflight.container_images import NamedImages, named_images
from airflow_provider_omics.preflight.findings import Verdict
from airflow_provider_omics.preflight.repository_policy import Access, access_of

ACCOUNT, REGION = "123456789012", "us-east-1"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


def named(*texts: str, parameters: str = "", suffix: str = ".wdl", **registry_map: object) -> NamedImages:
    files = {f"{number}{suffix}": text for number, text in enumerate(texts)}
    return named_images(files, registry_map, ACCOUNT, REGION, parameters)


@pytest.mark.parametrize(
    "text",
    [
        f'docker: "{REGISTRY}/tools/~{{name}}:1.0"',
        f'docker: "{REGISTRY}/samtools:${{version}}"',
        f'docker: "{REGISTRY}/samtools:1.0-~{{build}}"',
        f'docker: "{REGISTRY}/samtools:1." + minor',
        f'docker: "{REGISTRY}/samtools" + tag',
        f"docker.registry = '{REGISTRY}/pulled'",
        f'String registry = "{REGISTRY}/tools"',
    ],
)
def test_parts_of_names_are_no_images(text: str) -> None:
    assert named(text).ecr == ()


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".wdl", f"# was {REGISTRY}/old:1"),
        (".wdl", f'docker: image # was docker: "{REGISTRY}/old:1"'),
        (".wdl", f'cpu: 2#docker: "{REGISTRY}/old:1"'),
        (".wdl", f"String a = \"it's #\" # docker: '{REGISTRY}/old:1'"),
        (".cwl", f"# dockerPull: {REGISTRY}/old:1"),
        (".cwl", f"doc: it's '#' # dockerPull: '{REGISTRY}/old:1'"),
        (".nf", f"  // container '{REGISTRY}/old:1'"),
        (".nf", f"cpus 2 // container '{REGISTRY}/old:1'"),
        (".nf", f"cpus 2;//container '{REGISTRY}/old:1'"),
        (".nf", f"cpus 2 /* container '{REGISTRY}/old:1' */"),
        (".nf", f'x = """\n${{ y /* container \'{REGISTRY}/old:1\' */ }}"""'),
        (".config", f"/*\n * container '{REGISTRY}/old:1'\n */"),
    ],
)
def test_what_is_in_comments_is_no_image(suffix: str, text: str) -> None:
    assert named(text, suffix=suffix).ecr == ()


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (f'docker: "{REGISTRY}/bwa:1"', "bwa:1"),
        (f"container '{REGISTRY}/bwa'", "bwa:latest"),
        (f'"dockerPull": "{REGISTRY}/a/b@sha256:{"0" * 64}"', f"a/b@sha256:{'0' * 64}"),
    ],
)
def test_what_a_task_names_plainly_is_certain(text: str, image: str) -> None:
    found = named(text)
    assert [str(one) for one in found.ecr] == [f"{REGISTRY}/{image}"]
    assert found.certain == set(found.ecr)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".nf", f"input: path 'runs/*.bam'\ncontainer '{REGISTRY}/bwa:1'\noutput: path '*/out'"),
        (".nf", f"url = 'https://example.org' ; container '{REGISTRY}/bwa:1'"),
        (".nf", f"x = 'a //' ; container '{REGISTRY}/bwa:1'"),
        (".nf", f'x = """\nls \\\\\n/*.bam\n"""\ncontainer \'{REGISTRY}/bwa:1\'\ny = \'a*/\''),
        (".nf", f"/* old */\ncontainer '{REGISTRY}/bwa:1'\n/* more */"),
        (".config", f"params.x = 'it # is'\nprocess.container = '{REGISTRY}/bwa:1'"),
        (".wdl", f'docker: "{REGISTRY}/bwa:1" # the newest'),
        (".wdl", f'command {{ ls // $# ${{#x}} ; }} runtime {{ docker: "{REGISTRY}/bwa:1" }}'),
        (".wdl", f'String a = "a # b" docker: "{REGISTRY}/bwa:1"'),
        (".wdl", f'command {{ ls\n/*.bam }} docker: "{REGISTRY}/bwa:1" # */'),
        (".cwl", f'{{"doc": "a # b // c", "dockerPull": "{REGISTRY}/bwa:1"}}'),
        (".cwl", f"{{id: a#b, doc: https://x // y, dockerPull: {REGISTRY}/bwa:1}}"),
    ],
)
def test_what_looks_like_a_comment_hides_no_image(suffix: str, text: str) -> None:
    assert [one.repository for one in named(text, suffix=suffix).certain] == ["bwa"]


def test_what_is_only_mentioned_is_not_certain_unless_parameters_give_it() -> None:
    name = f"{REGISTRY}/bwa:1"
    assert named(f'String image = "{name}"').certain == set()
    found = named(f'String image = "{name}"', parameters=json.dumps({"w.image": name}))
    assert found.certain == set(found.ecr)
    assert len(found.ecr) == 1


def test_images_of_a_pull_through_cache_are_known_by_their_prefix() -> None:
    mapping = {"upstreamRegistryUrl": "quay.io", "ecrRepositoryPrefix": "quay"}
    direct = f'docker: "{REGISTRY}/quay/bwa:1" docker: "{REGISTRY}/own:1"'
    found = named(direct, 'docker: "quay.io/fastp:1"', registryMappings=[mapping])
    assert {one.repository for one in found.pulled_through} == {"quay/bwa", "quay/fastp"}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("ACTIVE", Verdict.GOOD),
        ("CREATING", Verdict.BAD),
        ("FAILED", Verdict.BAD),
        ("DELETED", Verdict.BAD),
        ("INACTIVE", Verdict.BAD),
        (None, Verdict.UNKNOWN),
        ("OF_A_LATER_RELEASE", Verdict.UNKNOWN),
    ],
)
def test_a_status_that_is_not_known_is_not_bad(status: str | None, verdict: Verdict) -> None:
    assert judge_status("cache", "cache_id", "run cache 1", status, None, "Use another").verdict is verdict


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": {"Service": "omics.amazonaws.com"}, "NotAction": "ecr:DeleteRepository"},
        {"NotPrincipal": {"AWS": "123456789012"}, "Action": "ecr:*"},
    ],
)
def test_a_policy_by_what_it_leaves_out_is_not_judged(statement: dict[str, object]) -> None:
    assert access_of(json.dumps({"Statement": [{"Effect": "Allow", **statement}]})) is Access.CONDITIONAL
