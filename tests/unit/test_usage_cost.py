"""What runs reserved, for how long, and what that costs by the service's rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.usage.pricing import Price, PriceBook, listed_prices, read_price_file
from airflow_provider_omics.usage.records import RunRecord
from airflow_provider_omics.usage.run_use import RunUse, add, static_gib

PRICES = PriceBook(
    [
        Price("omics.c.large", "Hours", Decimal("0.36")),
        Price("omics.g5.xlarge", "Hours", Decimal("3.6")),
        Price("Run Storage", "GiB-Hours", Decimal("0.0002")),
        Price("Dynamic Run Storage", "GiB-Hours", Decimal("0.0004")),
        Price("9500764", "Run", Decimal("12.5")),
    ],
    "us-east-1",
    "2026-11-30",
)


def at(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"2026-11-30T{8 + int(minutes) // 60:02}:{int(minutes) % 60:02}:{rest:06.3f}Z"


def task(name: str = "align", start: float | None = 0, stop: float | None = 3600, **members: Any) -> dict[str, Any]:
    times = {"startTime": start if start is None else at(start), "stopTime": stop if stop is None else at(stop)}
    return {
        "taskId": name,
        "name": name,
        "status": "COMPLETED",
        "cpus": 2,
        "memory": 4,
        "instanceType": "omics.c.large",
        **times,
        **members,
    }


def use(*tasks: Mapping[str, Any], start: float | None = 0, stop: float | None = 3600, **members: Any) -> RunUse:
    run = {
        "id": "1",
        "status": "COMPLETED",
        "creationTime": at(0),
        "startTime": start if start is None else at(start),
        "stopTime": stop if stop is None else at(stop),
        "storageType": "STATIC",
        **members,
    }
    return RunUse.of(RunRecord.of(run).with_tasks(tasks))


def test_hours_are_what_tasks_reserve_times_how_long_they_ran() -> None:
    used = use(task(), task("call", 1800, 3600, cpus=8, memory=16, gpus=1, instanceType="omics.g5.xlarge"))
    assert (used.task_seconds, used.cpu_hours, used.gib_hours, used.gpu_hours) == (5400, 6, 12, Decimal("0.5"))
    assert (used.tasks, used.attempts, used.cache_hits) == (2, 2, 0)
    assert PRICES.cost_of_tasks(used) == Decimal("0.36") + Decimal("1.8")


def test_queue_and_start_are_told_apart() -> None:
    used = use(task(start=300), start=120, stop=4000)
    assert (used.queued_seconds, used.starting_seconds, used.running_seconds) == (120, 180, 3880)


def test_a_task_is_billed_for_a_minute_at_least() -> None:
    used = use(task(stop=0.5), task("b", stop=59.999), task("c", stop=61.5))
    assert used.billed_seconds == {"omics.c.large": Decimal("181.5")}
    assert used.task_seconds == Decimal("121.999")


def test_each_retry_is_billed_and_a_hit_of_the_cache_is_not() -> None:
    failed = task(stop=600, status="FAILED")
    used = use(failed, task(start=600, stop=1200), task("call", None, None, cacheHit=True))
    assert (used.tasks, used.attempts, used.cache_hits) == (2, 2, 1)
    assert used.billed_seconds == {"omics.c.large": Decimal(1200)}
    # A hit that shows times costs as little.
    assert use(task(cacheHit=True)).billed_seconds == {}


def test_a_task_that_was_cancelled_before_it_ran_costs_nothing() -> None:
    used = use(task(start=None, stop=10, status="CANCELLED"))
    assert (used.attempts, used.cpu_hours, used.billed_seconds) == (0, 0, {})


@pytest.mark.parametrize(
    "unknown",
    [
        {"startTime": None, "stopTime": None},
        {"stopTime": None, "status": "RUNNING"},
        {"instanceType": None},
        {"instanceType": "omics.x.large"},
    ],
)
def test_a_cost_is_unknown_and_never_0_if_one_task_is(unknown: dict[str, Any]) -> None:
    assert PRICES.cost(use(task(), {**task("call"), **unknown})) is None


def test_hours_are_unknown_if_one_task_is() -> None:
    used = use(task(), task("call", cpus=None))
    assert (used.cpu_hours, used.gib_hours) == (None, 8)
    assert RunUse.of(RunRecord.of({"id": "1", "status": "COMPLETED"})).cpu_hours is None


@pytest.mark.parametrize(
    ("asked", "gib"), [(None, 1200), (0, 1200), (1200, 1200), (1201, 2400), (2400, 2400), (2401, 4800), (9600, 9600)]
)
def test_static_storage_comes_in_steps(asked: int | None, gib: int) -> None:
    assert static_gib(None if asked is None else Decimal(asked)) == gib
    used = use(stop=1800, storageCapacity=asked)
    assert used.storage_gib_hours == Decimal(gib) / 2
    assert PRICES.cost(used) == Decimal(gib) / 2 * Decimal("0.0002")


def test_dynamic_storage_is_billed_by_its_use() -> None:
    used = use(storageType="DYNAMIC", storageCapacity=900, metrics={"storageAverageGiB": 100})
    assert used.storage_gib_hours == 100
    assert PRICES.cost(used) == Decimal("0.04")
    assert PRICES.cost(use(storageType="DYNAMIC", storageCapacity=900)) is None
    assert PRICES.cost(use(storageType=None)) is None


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_run_that_never_ran_costs_nothing(status: str) -> None:
    used = use(start=None, status=status, storageType="DYNAMIC")
    assert (used.running_seconds, used.storage_gib_hours) == (0, 0)
    assert PRICES.cost(used) == 0


def test_a_run_that_goes_on_has_no_cost_yet() -> None:
    assert PRICES.cost(use(stop=None, status="RUNNING")) is None
    assert PRICES.cost(use(start=None, stop=None, status="PENDING")) is None


@pytest.mark.parametrize(
    "workflow", [{"workflowId": "9500764"}, {"workflow": "arn:aws:omics:us-east-1::workflow/9500764"}]
)
def test_ready2run_has_one_price(workflow: dict[str, str]) -> None:
    assert PRICES.cost(use(task(), workflowType="READY2RUN", **workflow)) == Decimal("12.5")
    assert PRICES.cost(use(task(), workflowType="READY2RUN", workflowId="1")) is None
    assert PRICES.cost(use(start=None, status="CANCELLED", workflowType="READY2RUN", **workflow)) == 0


def test_a_use_is_the_same_after_it_was_stored() -> None:
    for used in (use(task(stop=0.001), task("call", cpus=None)), RunUse.of(RunRecord.of({"id": "1"}))):
        assert RunUse.from_json(json.loads(json.dumps(used.to_json()))) == used
    assert RunUse.from_json(use(workflowType="READY2RUN", workflowId="7").to_json()).ready2run == "7"


def test_a_sum_is_unknown_if_a_member_is() -> None:
    assert add([]) == 0
    assert add([Decimal(1), None]) is None


class TestPrices:
    def test_a_price_of_another_region_is_none(self) -> None:
        prices = [Price("a", "Hours", Decimal(1), "us-west-2"), Price("b", "Hours", Decimal(2))]
        book = PriceBook(prices, "us-east-1")
        assert (book.usd("a"), book.usd("b"), book.usd(None), book.as_of) == (None, 2, None, None)

    def test_two_prices_are_none(self) -> None:
        book = PriceBook([Price("a", "Hours", Decimal(n)) for n in (1, 1)], "us-east-1")
        assert book.usd("a") == 1
        book = PriceBook([Price("a", "Hours", Decimal(n)) for n in (1, 2, 1)], "us-east-1")
        assert book.usd("a") is None

    def test_the_list_of_aws_is_read(self) -> None:
        entry = {
            "product": {"attributes": {"resourceType": "omics.c.large", "regionCode": "us-east-1"}},
            "terms": {
                "OnDemand": {"x": {"priceDimensions": {"y": {"unit": "Hrs", "pricePerUnit": {"USD": "0.1000000000"}}}}},
                "Reserved": {"x": {"priceDimensions": {"y": {"unit": "Hrs", "pricePerUnit": {"USD": "0.05"}}}}},
            },
        }
        storage = {"product": {"attributes": {"storageClass": "Active"}}, "terms": entry["terms"]}
        other_money = json.loads(json.dumps(entry).replace("USD", "CNY"))
        by_month = json.loads(json.dumps(entry).replace("Hrs", "GB-Mo"))
        found = list(listed_prices(json.dumps(each) for each in (entry, storage, other_money, by_month)))
        assert found == [Price("omics.c.large", "Hrs", Decimal("0.1"), "us-east-1")]

    def test_a_file_is_read_without_errors_of_binary_fractions(self) -> None:
        text = '{"asOf": "2026-01-02", "products": [{"resourceType": "a", "unit": "Hours", "usd": 0.1}]}'
        book = read_price_file(text, "prices.json", "us-east-1", "StartRunBatch")
        assert (book.usd("a"), book.as_of, len(book)) == (Decimal("0.1"), "2026-01-02", 1)

    @pytest.mark.parametrize("unit", ["Hours", "Hrs", "GiB-Hours", "GB-hours", "Run", "Runs", "Samples", "USD/hour"])
    def test_any_name_of_an_hour_or_a_run_is_a_unit(self, unit: str) -> None:
        text = json.dumps({"currency": "USD", "products": [{"resourceType": "a", "unit": unit, "usd": 1}]})
        assert read_price_file(text, "prices.json", "us-east-1", "StartRunBatch").usd("a") == 1

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "is no JSON"),
            ("[]", "has no list 'products'"),
            ('{"products": {}}', "has no list 'products'"),
            ('{"products": [], "asOf": 7}', "has 'asOf' 7"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": -1}]}', "products[0]"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": NaN}]}', "products[0]"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": 1}, 7]}', "products[1]"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": 1, "regionCode": 7}]}', "products[0]"),
            ('{"products": [{"resourceType": "a", "unit": "GB-Mo", "usd": 1}]}', "a price by 'GB-Mo'; prices are by"),
            ('{"products": [{"resourceType": "a", "unit": "Seconds", "usd": 1}]}', "products[0] a price by 'Seconds'"),
            ('{"currency": "EUR", "products": []}', "has currency 'EUR'; costs are in US dollars"),
            (
                '{"products": [{"resourceType": "a", "unit": "Hours", "usd": 1, "currency": "EUR"}]}',
                "has at products[0] currency 'EUR'",
            ),
        ],
    )
    def test_another_file_is_refused_with_the_place(self, text: str, problem: str) -> None:
        with pytest.raises(OmicsRequestInvalidError) as caught:
            read_price_file(text, "s3://b/prices.json", "us-east-1", "StartRunBatch")
        assert "price_file: s3://b/prices.json" in caught.value.message()
        assert problem in caught.value.message()
        assert "Give one of the form" in caught.value.message()


def test_a_run_without_tasks_costs_its_storage() -> None:
    used = use()
    assert (used.tasks, used.attempts, used.cpu_hours, used.gpu_hours) == (0, 0, 0, 0)
    assert PRICES.cost(used) == Decimal("0.24")


def test_a_run_that_was_deleted_is_unknown_and_not_free() -> None:
    used = RunUse.of(RunRecord("1", "u-1"))
    assert (used.running_seconds, used.storage_gib_hours, used.cpu_hours) == (None, None, None)
    assert PRICES.cost(used) is None


def test_gpu_hours_of_a_type_that_is_not_known_are_unknown() -> None:
    used = use(task(instanceType="omics.p5.48xlarge"))
    assert (used.gpu_hours, PRICES.cost(used)) == (None, None)
    assert used.cpu_hours == 2


def test_a_task_that_was_cancelled_in_the_middle_is_billed_until_then() -> None:
    used = use(task(stop=1800, status="CANCELLED"), status="CANCELLED", stop=1800)
    assert used.billed_seconds == {"omics.c.large": 1800}
    assert PRICES.cost(used) == Decimal("0.18") + Decimal("0.12")


def test_what_is_not_known_of_a_stored_use_stays_so() -> None:
    used = replace(use(task()), billed_seconds=None)
    assert RunUse.from_json(used.to_json()).billed_seconds is None
