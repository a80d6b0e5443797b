"""What befalls trials that are struck together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from gates import Gate


class Told:
    """Notes what a gate does, and who was let go before it."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def gate(self, expected: int) -> Gate:
        return Gate(expected, self.strike, self.recover)

    def strike(self, group: str) -> None:
        self.events.append(f"strike {group}")

    def recover(self, group: str) -> None:
        self.events.append(f"recover {group}")


@pytest.fixture
def told() -> Told:
    return Told()


def test_nobody_is_struck_before_all_have_come_and_groups_one_after_the_other(told: Told) -> None:
    gate = told.gate(4)
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(gate.pass_through, group) for group in ("a", "a", "a")]
        assert not any(one.done() for one in first)
        assert told.events == []
        last = pool.submit(gate.pass_through, "b")
        assert all(one.result() for one in (*first, last))
    assert told.events[:3] == ["strike a", "recover a", "strike b"]


def test_who_comes_too_late_is_not_struck(told: Told) -> None:
    gate = told.gate(1)
    assert gate.pass_through("a")
    assert not gate.pass_through("b")


def test_who_has_ended_is_not_waited_for(told: Told) -> None:
    gate = told.gate(2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gate.pass_through, "a")
        gate.leave()
        assert first.result()
