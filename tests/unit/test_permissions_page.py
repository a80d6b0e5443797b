"""The documentation says of permissions what the list says; ``WRITE_PERMISSIONS=1`` writes the page anew."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from permissions_page import STARTING, page

from airflow_provider_omics.permissions import HOOK_METHODS, PERMISSIONS, policy_document, service_role_policy

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "permissions.md"
BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)
ACTION = re.compile(r"`((?:omics|s3|logs|iam|ecr|sqs|pricing|servicequotas):[A-Z][a-z]\w+)`")
KNOWN = {action for listed in (*PERMISSIONS.values(), *HOOK_METHODS.values()) for action in listed.every_action}


def test_the_page_is_made_of_the_list() -> None:
    if os.environ.get("WRITE_PERMISSIONS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def policies(text: str) -> Iterator[set[str]]:
    """Give the actions of each policy of a user or role; one of a resource names who is meant."""
    for block in BLOCK.findall(text):
        if '"Statement"' in block and '"Principal"' not in block:
            statements = json.loads(block)["Statement"]
            listed = (statement["Action"] for statement in statements)
            yield {action for given in listed for action in ([given] if isinstance(given, str) else given)}


def actions(document: dict[str, list[dict[str, list[str]]]]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def test_the_page_has_the_policies_of_caller_and_role() -> None:
    assert list(policies(PAGE.read_text())) == [actions(policy_document(STARTING)), actions(service_role_policy())]


@pytest.mark.parametrize(
    "file", sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]), ids=lambda file: file.stem
)
def test_every_action_that_a_page_names_is_in_the_list(file: Path) -> None:
    of_the_role = actions(service_role_policy())
    text = file.read_text()
    known = KNOWN | of_the_role
    assert set(ACTION.findall(text)) <= known
    in_policies = set().union(*policies(text))
    assert {action for action in in_policies if not fnmatch.filter(known, action)} == set()
