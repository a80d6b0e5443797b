from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from run_lab import Lab

from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.records import Configuration, RunCache, RunGroup
from airflow_provider_omics.local.runs.machine import create_run
from airflow_provider_omics.local.runs.request import plan_run
from airflow_provider_omics.local.workflows.catalogue import share_workflow

READY2RUN_ID = "9500764"


def plan(lab: Lab, **settings: Any) -> dict[str, Any]:
    return plan_run(lab.state, lab.request(**settings)).request


def add_configuration(lab: Lab, status: str) -> None:
    made = Configuration("net", "u", "arn", status, lab.state.now(), vpc_config={}, sequence=1)
    lab.state.configurations["net"] = made


def refusal(lab: Lab, **settings: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        plan_run(lab.state, lab.request(**settings))
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("settings", "code", "part"),
    [
        ({"workflowId": "404"}, "ResourceNotFoundException", "Workflow 404 not found"),
        ({"workflowId": READY2RUN_ID}, "ResourceNotFoundException", "not found"),
        ({"workflowVersionName": "v2"}, "ResourceNotFoundException", "v2"),
        ({"workflowOwnerId": "999999999999"}, "ResourceNotFoundException", "not found"),
        ({"runId": "404"}, "ResourceNotFoundException", "Run 404 not found"),
        ({"runGroupId": "404"}, "ResourceNotFoundException", "Run group 404"),
        ({"cacheId": "404"}, "ResourceNotFoundException", "Run cache 404"),
        ({"cacheBehavior": "CACHE_ALWAYS"}, "ValidationException", "cacheId"),
        ({"outputUri": "results/runs"}, "ValidationException", "s3://bucket/prefix"),
        ({"outputUri": "s3://"}, "ValidationException", "s3://bucket/prefix"),
        ({"outputUri": None}, "ValidationException", "outputUri"),
        ({"networkingMode": "VPC"}, "ValidationException", "configurationName"),
        ({"configurationName": "net"}, "ValidationException", "networkingMode"),
        ({"sessionPolicy": "{"}, "ValidationException", "sessionPolicy"),
        ({"parameters": ["x"]}, "ValidationException", "JSON object"),
        ({"parameters": {"x": "ü" * 128_000}}, "ValidationException", "256000"),
        ({"tags": {f"key{n}": "" for n in range(51)}}, "ValidationException", "51"),
        ({"tags": {"aws:owner": "me"}}, "ValidationException", "aws:"),
        ({"storageCapacity": 9601, "storageType": "STATIC"}, "ServiceQuotaExceededException", "9600"),
    ],
)
def test_what_the_service_refuses_in_the_call(lab: Lab, settings: dict[str, Any], code: str, part: str) -> None:
    found_code, message = refusal(lab, **settings)
    assert found_code == code
    assert part in message
    assert lab.state.runs == {}


def test_neither_workflow_nor_run_is_refused(lab: Lab) -> None:
    request = lab.request()
    del request["workflowId"]
    with pytest.raises(ServiceError, match="workflowId or runId"):
        plan_run(lab.state, request)


def test_parameters_at_the_limit_are_accepted(lab: Lab) -> None:
    overhead = len('{"x":""}')
    assert len(plan(lab, parameters={"x": "a" * (256_000 - overhead)})["parameters"]["x"]) == 256_000 - overhead


def test_unknown_references_answer_the_assumed_code(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(Assumptions(unknown_reference_code="ValidationException"))
    for settings in ({"workflowId": "404"}, {"runGroupId": "404"}, {"cacheId": "404"}):
        assert refusal(lab, **settings)[0] == "ValidationException"


@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "FAILED", "INACTIVE"])
def test_a_workflow_that_is_not_active_cannot_run(lab: Lab, status: str) -> None:
    code, message = refusal(lab, workflowId=lab.add_workflow(status=status))
    assert code == "ConflictException"
    assert status in message


TEMPLATE = {"reads": {"optional": False}, "reference": {}, "threads": {"optional": True}}


class TestParameterTemplate:
    def test_required_parameters_must_be_there(self, lab: Lab) -> None:
        workflow_id = lab.add_workflow(parameter_template=TEMPLATE)
        code, message = refusal(lab, workflowId=workflow_id, parameters={"threads": 1})
        assert (code, message) == ("ValidationException", "Missing required parameters: reads, reference")
        assert refusal(lab, workflowId=workflow_id)[1] == "Missing required parameters: reads, reference"

    def test_unknown_parameters_are_refused(self, lab: Lab) -> None:
        workflow_id = lab.add_workflow(parameter_template=TEMPLATE)
        given = {"reads": 1, "reference": None, "refrence": 2}
        code, message = refusal(lab, workflowId=workflow_id, parameters=given)
        assert (code, "refrence" in message) == ("ValidationException", True)

    def test_optional_ones_may_be_left_out(self, lab: Lab) -> None:
        workflow_id = lab.add_workflow(parameter_template=TEMPLATE)
        given = {"reads": 1, "reference": "s3://x/y"}
        assert plan(lab, workflowId=workflow_id, parameters=given)["parameters"] == given

    def test_a_workflow_without_a_template_takes_everything(self, lab: Lab) -> None:
        assert plan(lab, parameters={"anything": [1, {"deep": None}]})["parameters"] == {
            "anything": [1, {"deep": None}]
        }


class TestStorage:
    @pytest.mark.parametrize(("asked", "given"), [(None, 1200), (1, 1200), (1200, 1200), (1201, 2400), (9600, 9600)])
    def test_static_storage_comes_in_steps(self, lab: Lab, asked: int | None, given: int) -> None:
        assert plan(lab, storageType="STATIC", storageCapacity=asked)["storageCapacity"] == given

    def test_dynamic_storage_ignores_a_capacity(self, lab: Lab) -> None:
        assert "storageCapacity" not in plan(lab, storageType="DYNAMIC", storageCapacity=100_000)

    def test_the_request_goes_before_the_workflow_and_that_before_the_default(
        self, make_lab: Callable[..., Lab]
    ) -> None:
        lab = make_lab(Assumptions(default_storage_type="DYNAMIC"))
        workflow_id = lab.add_workflow(storage_type="STATIC", storage_capacity=2400)
        assert plan(lab, workflowId=workflow_id, storageType="DYNAMIC")["storageType"] == "DYNAMIC"
        assert plan(lab, workflowId=workflow_id)["storageCapacity"] == 2400
        assert plan(lab)["storageType"] == "DYNAMIC"


class TestCacheGroupNetwork:
    def test_a_run_takes_its_behavior_from_the_cache_unless_it_says_otherwise(self, lab: Lab) -> None:
        settings = {"cacheBehavior": "CACHE_ALWAYS"}
        lab.state.run_caches["5"] = RunCache("5", "u", "arn", "ACTIVE", lab.state.now(), settings)
        assert plan(lab, cacheId="5")["cacheBehavior"] == "CACHE_ALWAYS"
        chosen = plan(lab, cacheId="5", cacheBehavior="CACHE_ON_FAILURE")
        assert chosen["cacheBehavior"] == "CACHE_ON_FAILURE"

    def test_a_ready2run_workflow_has_no_cache(self, lab: Lab) -> None:
        lab.state.run_caches["5"] = RunCache("5", "u", "arn", "ACTIVE", lab.state.now())
        code, message = refusal(lab, workflowId=READY2RUN_ID, workflowType="READY2RUN", cacheId="5")
        assert (code, "READY2RUN" in message) == ("ValidationException", True)

    def test_group_and_configuration_that_exist_are_accepted(self, lab: Lab) -> None:
        lab.state.run_groups["7"] = RunGroup("7", "arn", lab.state.now())
        add_configuration(lab, "ACTIVE")
        request = plan(lab, runGroupId="7", networkingMode="VPC", configurationName="net")
        assert (request["runGroupId"], request["configurationName"]) == ("7", "net")

    def test_a_configuration_must_exist_and_be_active(self, lab: Lab) -> None:
        assert refusal(lab, networkingMode="VPC", configurationName="net") == (
            "ResourceNotFoundException",
            "Configuration net not found",
        )
        add_configuration(lab, "CREATING")
        code, message = refusal(lab, networkingMode="VPC", configurationName="net")
        assert (code, "is CREATING" in message) == ("ConflictException", True)

    def test_any_name_can_be_assumed_to_be_an_active_configuration(self, make_lab: Callable[..., Lab]) -> None:
        lab = make_lab(Assumptions(any_configuration_is_active=True))
        assert plan(lab, networkingMode="VPC", configurationName="net")["configurationName"] == "net"


class TestKindsOfWorkflow:
    def test_ready2run_needs_its_type(self, lab: Lab) -> None:
        given = {"sample_name": "s", "fastq_pairs": []}
        request = plan(lab, workflowId=READY2RUN_ID, workflowType="READY2RUN", parameters=given)
        assert request["workflowType"] == "READY2RUN"

    def test_a_shared_workflow_needs_its_owner(self, lab: Lab) -> None:
        share_workflow(lab.state, "77", "999999999999", name="theirs")
        assert refusal(lab, workflowId="77")[0] == "ResourceNotFoundException"
        assert plan(lab, workflowId="77", workflowOwnerId="999999999999")["workflowId"] == "77"

    def test_engine_settings_are_dropped_silently_unless_nextflow(self, lab: Lab) -> None:
        settings = {"engineVersion": "24.10.8"}
        nextflow = lab.add_workflow(engine="NEXTFLOW")
        assert plan(lab, workflowId=nextflow, engineSettings=settings)["engineSettings"] == settings
        assert "engineSettings" not in plan(lab, engineSettings=settings)


class TestRerun:
    def earlier(self, lab: Lab, **settings: Any) -> str:
        lab.state.run_caches["5"] = RunCache("5", "u", "arn", "ACTIVE", lab.state.now())
        request = lab.request(
            name="first",
            parameters={"x": 1},
            priority=3,
            storageType="DYNAMIC",
            retentionMode="REMOVE",
            cacheId="5",
            tags={"a": "b"},
            **settings,
        )
        return create_run(lab.state, request).run_id

    def test_values_are_copied_and_can_be_overridden(self, lab: Lab) -> None:
        run_id = self.earlier(lab)
        request = plan(lab, runId=run_id, priority=9, outputUri="s3://results/again")
        earlier = lab.state.runs[run_id].request
        assert request["workflowId"] == earlier["workflowId"]
        assert request["parameters"] == {"x": 1}
        assert (request["priority"], request["storageType"]) == (9, "DYNAMIC")
        assert (request["runId"], request["outputUri"]) == (run_id, "s3://results/again")
        assert "name" not in request

    @pytest.mark.parametrize("copied", [True, False])
    def test_cache_and_retention_are_copied_if_assumed(self, make_lab: Callable[..., Lab], copied: bool) -> None:
        lab = make_lab(Assumptions(rerun_copies_cache=copied, rerun_copies_retention=copied))
        request = plan(lab, runId=self.earlier(lab))
        assert request.get("cacheId") == ("5" if copied else None)
        assert request["retentionMode"] == ("REMOVE" if copied else "RETAIN")

    @pytest.mark.parametrize("copied", [True, False])
    def test_tags_are_copied_if_assumed(self, make_lab: Callable[..., Lab], copied: bool) -> None:
        lab = make_lab(Assumptions(rerun_copies_tags=copied))
        again = create_run(lab.state, lab.request(runId=self.earlier(lab)))
        assert again.tags == ({"a": "b"} if copied else {})

    @pytest.mark.parametrize("together", [True, False])
    def test_both_ids_together_are_accepted_if_assumed(self, make_lab: Callable[..., Lab], together: bool) -> None:
        lab = make_lab(Assumptions(workflow_id_with_run_id=together))
        run_id, other = self.earlier(lab), lab.add_workflow()
        if together:
            assert plan(lab, runId=run_id, workflowId=other)["workflowId"] == other
        else:
            assert refusal(lab, runId=run_id, workflowId=other)[0] == "ValidationException"

    def test_runs_of_shared_workflows_cannot_be_run_again(self, lab: Lab) -> None:
        share_workflow(lab.state, "77", "999999999999")
        shared = create_run(lab.state, lab.request(workflowId="77", workflowOwnerId="999999999999"))
        assert refusal(lab, runId=shared.run_id)[0] == "ValidationException"

    @pytest.mark.parametrize("allowed", [True, False])
    def test_ready2run_runs_can_be_run_again_if_assumed(self, make_lab: Callable[..., Lab], allowed: bool) -> None:
        lab = make_lab(Assumptions(ready2run_can_be_rerun=allowed))
        given = {"sample_name": "s", "fastq_pairs": []}
        request = lab.request(workflowId=READY2RUN_ID, workflowType="READY2RUN", parameters=given)
        run_id = create_run(lab.state, request).run_id
        if allowed:
            assert plan(lab, runId=run_id)["workflowType"] == "READY2RUN"
        else:
            assert refusal(lab, runId=run_id)[0] == "ValidationException"
