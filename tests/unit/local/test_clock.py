from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_omics.local.clock import ManualClock, ScaledClock, Timeline

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_callbacks_run_in_the_order_of_their_due_times() -> None:
    clock, order = ManualClock(START), []
    timeline = Timeline(clock)
    for seconds, name in [(2.0, "late"), (1.0, "first"), (1.0, "second")]:
        timeline.after(seconds, lambda name=name: order.append(name))
    clock.advance(1.0)
    assert timeline.run_due() == 2
    assert order == ["first", "second"]
    clock.advance(1.0)
    assert timeline.run_due() == 1
    assert order == ["first", "second", "late"]
    assert timeline.next_due() is None


def test_a_chain_keeps_its_spacing_however_late_it_runs() -> None:
    clock, times = ManualClock(START), []
    timeline = Timeline(clock)

    def step() -> None:
        times.append(timeline.now())
        if len(times) < 3:
            timeline.after(10, step)

    timeline.after(10, step)
    clock.advance(100)
    timeline.run_due()
    assert times == [START + timedelta(seconds=seconds) for seconds in (10, 20, 30)]
    assert timeline.now() == START + timedelta(seconds=100)


def test_a_failing_callback_does_not_keep_the_others_from_running() -> None:
    clock, ran = ManualClock(START), []
    timeline = Timeline(clock)
    timeline.after(1, lambda: 1 / 0)
    timeline.after(1, lambda: ran.append(True))
    clock.advance(1)
    with pytest.raises(ZeroDivisionError):
        timeline.run_due()
    assert timeline.now() == clock.now()
    assert timeline.run_due() == 1
    assert ran == [True]


def test_without_a_budget_left_nothing_runs_and_nothing_is_lost() -> None:
    clock, ran = ManualClock(START), []
    timeline = Timeline(clock)
    timeline.after(0, lambda: ran.append(True))
    assert timeline.run_due(budget_seconds=0) == 0
    assert timeline.run_due() == 1
    assert ran == [True]


def test_only_an_entry_that_is_due_before_all_others_is_announced() -> None:
    announced = []
    timeline = Timeline(ManualClock(START), on_added=lambda: announced.append(timeline.next_due()))
    for seconds in (5, 9, 2):
        timeline.after(seconds, lambda: None)
    assert announced == [START + timedelta(seconds=5), START + timedelta(seconds=2)]


def test_a_scaled_clock_runs_faster_and_says_how_long_to_sleep() -> None:
    clock = ScaledClock(scale=1000)
    seconds = clock.real_seconds_until(clock.now() + timedelta(seconds=1000))
    assert seconds == pytest.approx(1.0, abs=0.5)
    assert clock.real_seconds_until(clock.now() - timedelta(seconds=5)) == 0
    with pytest.raises(ValueError, match="more than 0"):
        ScaledClock(0)


def test_nobody_can_sleep_until_a_moment_of_a_manual_clock() -> None:
    assert ManualClock(START).real_seconds_until(START) is None


def test_a_callbacks_time_holds_for_its_own_thread_only() -> None:
    clock, times = ManualClock(START), []
    timeline = Timeline(clock)

    def ask_twice() -> None:
        other = threading.Thread(target=lambda: times.append(timeline.now()))
        other.start()
        other.join()
        times.append(timeline.now())

    timeline.after(1, ask_twice)
    clock.advance(5)
    timeline.run_due()
    assert times == [START + timedelta(seconds=5), START + timedelta(seconds=1)]
