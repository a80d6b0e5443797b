from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.local.errors import ValidationException
from airflow_provider_omics.local.pagination import Reversed, paginate

LIMITS = st.integers(min_value=1, max_value=7)
# What happens to the list between two pages: which numbers go, how many come, which change between odd and even.
CHANGES = st.lists(st.tuples(st.sets(st.integers(0, 40)), st.integers(0, 5), st.sets(st.integers(0, 40))), max_size=60)


def test_pages_follow_each_other_and_the_last_has_no_token() -> None:
    items = ["a", "b", "c", "d", "e"]
    first, token = paginate(items, str, None, 2)
    second, token = paginate(items, str, token, 2)
    third, end = paginate(items, str, token, 2)
    assert [first, second, third] == [["a", "b"], ["c", "d"], ["e"]]
    assert end is None


def test_a_full_last_page_has_no_token() -> None:
    assert paginate([1, 2], int, None, 2) == ([1, 2], None)
    assert paginate([1, 2, 3], int, None, 2, keep=lambda item: item != 3) == ([1, 2], None)
    assert paginate([], int, None, 2) == ([], None)


@pytest.mark.parametrize("newest_first", [False, True])
@given(data=st.data(), size=st.integers(0, 40), limit=LIMITS, changes=CHANGES)
def test_filtered_pages_of_a_changing_list_neither_lose_nor_repeat(
    newest_first: bool, data: st.DataObject, size: int, limit: int, changes: list[tuple[set[int], int, set[int]]]
) -> None:
    items = list(range(size))
    matching = set(data.draw(st.sets(st.sampled_from(items)))) if items else set()
    steady = set(matching)
    seen: list[int] = []
    token: str | None = None
    for gone, added, toggled in [*changes, *[(set(), 0, set())] * (size + 300)]:
        snapshot = Reversed(items) if newest_first else items
        page, token = paginate(snapshot, int, token, limit, keep=matching.__contains__)
        assert len(page) <= limit
        assert set(page) <= matching
        seen += page
        if token is None:
            break
        steady -= gone | toggled
        items = [item for item in items if item not in gone]
        size += added
        items += range(size - added, size)
        matching ^= toggled & set(items)
    assert token is None
    assert len(seen) == len(set(seen))
    assert steady <= set(seen)
    assert seen == sorted(seen, reverse=newest_first)


@given(
    names=st.lists(st.text(min_size=1, max_size=128), unique=True, max_size=30),
    limit=LIMITS,
    kept=st.sets(st.integers(0, 29)),
)
def test_text_keys_in_any_order_give_every_match_once(names: list[str], limit: int, kept: set[int]) -> None:
    wanted = [name for index, name in enumerate(names) if index in kept]
    seen: list[str] = []
    token = None
    while True:
        page, token = paginate(names, str, token, limit, keep=set(wanted).__contains__)
        seen += page
        if token is None:
            break
        # The model allows tokens of 1 to 128 characters, and a key alone may have that many.
        assert 1 <= len(token) <= 128
    assert seen == wanted


def test_text_keys_are_found_again_after_an_earlier_item_is_gone() -> None:
    names = ["delta", "alpha", "charlie", "bravo"]
    _, token = paginate(names, str, None, 2)
    assert paginate(names[1:], str, token, 2) == (["charlie", "bravo"], None)


@pytest.mark.parametrize(
    "token",
    [
        "?",
        "abcd",
        "ü",
        *(base64.urlsafe_b64encode(made_up).decode() for made_up in (b"1.r2", b"1.r2.00", b"1.x5", b"\xff")),
    ],
)
def test_a_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(ValidationException, match="token of an earlier answer"):
        paginate([1, 2, 3], int, token, 1)


def test_a_token_that_was_changed_is_refused() -> None:
    _, token = paginate([1, 2, 3], int, None, 1)
    assert token is not None
    text = base64.urlsafe_b64decode(token).decode()
    assert text.startswith("0.r1.")
    with pytest.raises(ValidationException):
        paginate([1, 2, 3], int, base64.urlsafe_b64encode(text.replace("r1", "r2", 1).encode()).decode(), 1)


def test_reversed_is_a_sequence_without_a_copy() -> None:
    items = [1, 2, 3]
    backwards = Reversed(items)
    items.append(4)
    assert list(backwards) == [4, 3, 2, 1]
    assert backwards[-1] == 1
    assert list(backwards[1:3]) == [3, 2]
    with pytest.raises(IndexError):
        backwards[4]
