"""What a batch takes: checks in the call and after it, merge rules, files of run settings."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from batch_account import SETTINGS, WORKFLOW, BatchAccount, many, refused

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local.assumptions import Check
from airflow_provider_omics.local.batches.settings import BatchFailure, entries_of_file, merged_request
from airflow_provider_omics.local.errors import AccessDeniedException, ValidationException
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.local.workflows.catalogue import share_workflow

ACCOUNT = "123456789012"
S = BatchStatus


class TestMerge:
    @pytest.mark.parametrize("name", ["name", "outputUri", "engineSettings"])
    def test_per_run_values_replace(self, name: str) -> None:
        default = {"name": "default", "outputUri": "s3://a/b", "engineSettings": {"profile": "a", "agentMode": "true"}}
        own: dict[str, Any] = {"name": "own", "outputUri": "s3://c/d", "engineSettings": {"profile": "b"}}
        merged = merged_request(default, {"runSettingId": "x", name: own[name]}, ACCOUNT)
        assert merged[name] == own[name]
        others = {key: value for key, value in default.items() if key != name}
        assert {key: merged[key] for key in others} == others

    def test_a_priority_of_zero_replaces(self) -> None:
        assert merged_request({"priority": 5}, {"runSettingId": "x", "priority": 0}, ACCOUNT)["priority"] == 0

    def test_parameters_and_run_tags_are_merged_by_key(self) -> None:
        default = {"parameters": {"ref": "hg38", "deep": {"a": 1}}, "runTags": {"project": "p", "owner": "o"}}
        setting = {
            "runSettingId": "x",
            "parameters": {"deep": {"b": 2}, "reads": "r"},
            "runTags": {"owner": "me", "sample": "s"},
        }
        merged = merged_request(default, setting, ACCOUNT)
        assert merged["parameters"] == {"ref": "hg38", "deep": {"b": 2}, "reads": "r"}
        assert merged["tags"] == {"project": "p", "owner": "me", "sample": "s"}
        assert default == {"parameters": {"ref": "hg38", "deep": {"a": 1}}, "runTags": {"project": "p", "owner": "o"}}

    def test_what_is_only_the_batchs_stays_out_of_the_run(self) -> None:
        default = {"runTags": {"a": "b"}, "outputBucketOwnerId": ACCOUNT, "workflowId": "7"}
        assert merged_request(default, {"runSettingId": "x"}, ACCOUNT) == {
            "workflowId": "7",
            "parameters": {},
            "tags": {"a": "b"},
        }

    def test_a_bucket_of_another_owner_is_denied(self) -> None:
        with pytest.raises(AccessDeniedException, match="210987654321"):
            merged_request(
                {"outputBucketOwnerId": ACCOUNT}, {"runSettingId": "x", "outputBucketOwnerId": "210987654321"}, ACCOUNT
            )

    @pytest.mark.parametrize(
        ("setting", "named"),
        [
            ({"workflowId": "7"}, "workflowId"),
            ({"priority": "high"}, "priority"),
            ({"priority": -1}, "priority"),
            ({"name": "n" * 129}, "name"),
            ({"runTags": {"k": 1}}, "runTags.k"),
        ],
    )
    def test_members_that_a_setting_cannot_have_are_refused(self, setting: dict[str, Any], named: str) -> None:
        with pytest.raises(ValidationException, match=named):
            merged_request({}, {"runSettingId": "x", **setting}, ACCOUNT)

    def test_the_run_has_what_was_merged(self) -> None:
        local = BatchAccount()
        setting = {"runSettingId": "s", "name": "mine", "parameters": {"reads": "r"}, "runTags": {"sample": "s"}}
        batch = local.processed(
            [setting, {"runSettingId": "plain"}],
            name="shared",
            priority=7,
            parameters={"ref": "hg38"},
            runTags={"project": "p"},
            retentionMode="REMOVE",
        )
        own, plain = (local.call("GetRun", id=entry.run_id) for entry in batch.entries)
        assert (own["name"], own["parameters"]) == ("mine", {"ref": "hg38", "reads": "r"})
        assert own["tags"] == {"project": "p", "sample": "s"}
        assert (plain["name"], plain["parameters"]) == ("shared", {"ref": "hg38"})
        assert plain["tags"] == {"project": "p"}
        for run in (own, plain):
            assert (run["priority"], run["retentionMode"], run["batchId"]) == (7, "REMOVE", batch.batch_id)

    def test_batch_tags_are_not_inherited(self) -> None:
        local = BatchAccount()
        request = {**local.request(), "tags": {"cost": "centre"}}
        answer = local.call("StartRunBatch", **request)
        batch = local.until(local.state.batches[answer["id"]], S.PROCESSED)
        assert answer["tags"] == local.get(batch)["tags"] == {"cost": "centre"}
        assert {tuple(run.tags) for run in local.state.runs.values()} == {()}


class TestChecksInTheCall:
    def _refuse(self, local: BatchAccount, code: str, request: dict[str, Any], match: str) -> None:
        with refused(code, match):
            local.call("StartRunBatch", **request)
        assert local.state.batches == {}

    def test_unknown_workflow(self) -> None:
        local = BatchAccount()
        self._refuse(local, "ResourceNotFoundException", local.request(workflowId="99"), "99")

    def test_unknown_version(self) -> None:
        local = BatchAccount()
        self._refuse(local, "ResourceNotFoundException", local.request(workflowVersionName="v9"), "v9")

    def test_unknown_owner(self) -> None:
        local = BatchAccount()
        share_workflow(local.state, "88", "210987654321")
        self._refuse(local, "ResourceNotFoundException", local.request(workflowId="88"), "88")
        batch = local.processed(workflowId="88", workflowOwnerId="210987654321")
        assert local.get(batch)["runSummary"]["completedRunCount"] == 4

    def test_ready2run(self) -> None:
        local = BatchAccount()
        request = local.request(workflowId="9500764", workflowType="READY2RUN")
        self._refuse(local, "ValidationException", request, "READY2RUN")

    def test_cache_behaviour_without_a_cache(self) -> None:
        local = BatchAccount()
        self._refuse(local, "ValidationException", local.request(cacheBehavior="CACHE_ALWAYS"), "cacheId")

    @pytest.mark.parametrize("uri", ["s3://no-such-bucket-here/a.json", "s3://{bucket}/missing.json", "not-a-uri"])
    def test_unreadable_file(self, uri: str) -> None:
        local = BatchAccount()
        request = local.request(uri.format(bucket=local.bucket))
        self._refuse(local, "ValidationException", request, "s3UriSettings")

    def test_file_over_the_size_limit(self) -> None:
        local = BatchAccount(quotas=Quotas(run_settings_file_bytes=10))
        self._refuse(local, "ValidationException", local.request(local.put_settings(SETTINGS)), "10")

    def test_more_than_100_inline_settings(self) -> None:
        local = BatchAccount()
        self._refuse(local, "ValidationException", local.request(many(101)), "101")

    @pytest.mark.parametrize("settings", [{}, {"inlineSettings": SETTINGS, "s3UriSettings": "s3://bucket/key"}])
    def test_neither_or_both_kinds_of_settings(self, settings: dict[str, Any]) -> None:
        local = BatchAccount()
        request = {**local.request(), "batchRunSettings": settings}
        self._refuse(local, "ValidationException", request, "exactly one")

    @pytest.mark.parametrize("tags", [{f"k{n}": "v" for n in range(51)}, {"aws:owner": "x"}])
    def test_tags_that_break_the_rules(self, tags: dict[str, str]) -> None:
        local = BatchAccount()
        self._refuse(local, "ValidationException", {**local.request(), "tags": tags}, "tag")

    @pytest.mark.parametrize("member", ["cacheId", "runGroupId"])
    def test_unknown_cache_or_group_where_assumed(self, member: str) -> None:
        local = BatchAccount(missing_cache_or_group_in_batch=Check.IN_THE_CALL)
        self._refuse(local, "ResourceNotFoundException", local.request(**{member: "42"}), "42")

    def test_repeated_inline_ids_where_assumed(self) -> None:
        local = BatchAccount(unique_inline_settings=Check.IN_THE_CALL)
        self._refuse(local, "ValidationException", local.request([SETTINGS[0]] * 2), "unique")


class TestBatchFailures:
    def _failure(self, local: BatchAccount, settings: Any, **defaults: Any) -> str:
        batch = local.until(local.start(settings, **defaults), S.FAILED, S.SUBMITTING)
        answer = local.get(batch)
        assert answer["status"] == S.FAILED
        assert answer["failedTime"] == local.clock.now()
        assert local.state.runs == {}
        assert S.SUBMITTING not in local.seen
        reason: str = answer["failureReason"]
        return reason

    def test_too_many_runs(self) -> None:
        local = BatchAccount(quotas=Quotas(runs_per_batch=3))
        reason = self._failure(local, local.put_settings(many(5)))
        assert reason == "Batch has 5 runs but 3 runs is the max."

    @pytest.mark.parametrize("inline", [True, False])
    def test_repeated_ids(self, inline: bool) -> None:
        local = BatchAccount()
        settings = [*SETTINGS, SETTINGS[0]]
        reason = self._failure(local, settings if inline else local.put_settings(settings))
        assert reason == "Expected 5 unique runSettingIds but there were 4"

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            (b"", "JSON"),
            (b'{"runSettingId": "a"}', "JSON"),
            (b'[{"runSettingId": "a"}', "JSON"),
            (b'[{"runSettingId": "a"},]', "JSON"),
            (b'[{"runSettingId": "a"} {"runSettingId": "b"}]', "JSON"),
            (b'[{"runSettingId": "a"}] extra', "JSON"),
            (b'[{"runSettingId": "a", "priority": NaN}]', "JSON"),
            (b"\xff\xfe", "JSON"),
            (b"[]", "0 runs"),
            (b'[{"name": "a"}]', "runSettingId"),
            (b'[{"runSettingId": ""}]', "runSettingId"),
            (b'[{"runSettingId": 7}]', "runSettingId"),
            (b'["a"]', "runSettingId"),
        ],
    )
    def test_a_file_that_is_no_list_of_settings(self, content: bytes, word: str) -> None:
        local = BatchAccount()
        assert word in self._failure(local, local.put_settings(content))

    def test_a_file_that_changed(self) -> None:
        local = BatchAccount()
        uri = local.put_settings(SETTINGS)
        before = local.state.aws.head(uri)
        batch = local.start(uri)
        local.put_settings(many(5))
        after = local.state.aws.head(uri)
        local.until(batch, S.FAILED)
        assert before is not None
        assert after is not None
        reason = local.get(batch)["failureReason"]
        assert before.etag in reason
        assert after.etag in reason

    def test_ready2run_where_assumed(self) -> None:
        local = BatchAccount(ready2run_in_batch=Check.AFTER_THE_CALL)
        assert "READY2RUN" in self._failure(local, SETTINGS, workflowId="9500764", workflowType="READY2RUN")

    def test_a_transient_error(self) -> None:
        local = BatchAccount()
        local.state.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation="RunBatch.validate"))
        assert "Retry the batch" in self._failure(local, SETTINGS)


def test_every_way_to_write_a_list_is_read() -> None:
    settings = many(3, lambda n: {"parameters": {"text": '"],[{' + "é" * n, "deep": [{"a": None}, 1.5]}})
    for content in (
        json.dumps(settings),
        json.dumps(settings, indent=4),
        json.dumps(settings, ensure_ascii=False, separators=(",", ":")),
        f"\n\t {json.dumps(settings)} \r\n",
    ):
        entries = entries_of_file(content.encode())
        assert [json.loads(entry.setting or "") for entry in entries] == settings
        assert [entry.run_setting_id for entry in entries] == ["sample-0", "sample-1", "sample-2"]


def test_the_error_of_a_file_says_where_it_is() -> None:
    with pytest.raises(BatchFailure, match=r"line 2 column 1"):
        entries_of_file(b'[{"runSettingId": "a"},\n}]')


class TestRunFailures:
    """Submissions that fail one by one: the others start, and the failed ones are no runs."""

    def _failures(self, local: BatchAccount, settings: Any, **defaults: Any) -> dict[str, tuple[str, str]]:
        batch = local.processed(settings, **defaults)
        items = local.listed(batch, submissionStatus="FAILED")
        assert all("runId" not in item and "runArn" not in item for item in items)
        summary = local.get(batch)["submissionSummary"]
        assert summary["failedStartSubmissionCount"] == len(items)
        assert summary["successfulStartSubmissionCount"] == len(local.state.runs) == len(settings) - len(items)
        return {
            item["runSettingId"]: (item["submissionFailureReason"], item["submissionFailureMessage"]) for item in items
        }

    def test_each_cause_has_its_code(self) -> None:
        local = BatchAccount()
        local.state.workflows[WORKFLOW].parameter_template = {"reads": {}, "extra": {"optional": True}}
        good = {"parameters": {"reads": "r"}}
        failures = self._failures(
            local,
            [
                {"runSettingId": "good", **good},
                {"runSettingId": "missing"},
                {"runSettingId": "unknown", "parameters": {"reads": "r", "other": 1}},
                {"runSettingId": "list", "parameters": ["reads"]},
                {"runSettingId": "large", "parameters": {"reads": "r" * 256_000}},
                {"runSettingId": "uri", "outputUri": "file:///tmp", **good},
                {"runSettingId": "tag", "runTags": {"aws:x": "y"}, **good},
                {"runSettingId": "owner", "outputBucketOwnerId": "210987654321", **good},
                {"runSettingId": "also good", **good},
            ],
        )
        assert {key: code for key, (code, _) in failures.items()} == {
            "missing": "ValidationException",
            "unknown": "ValidationException",
            "list": "ValidationException",
            "large": "ValidationException",
            "uri": "ValidationException",
            "tag": "ValidationException",
            "owner": "AccessDeniedException",
        }
        assert "reads" in failures["missing"][1]
        assert "other" in failures["unknown"][1]
        assert "file:///tmp" in failures["uri"][1]

    @pytest.mark.parametrize("member", ["cacheId", "runGroupId"])
    def test_unknown_cache_or_group(self, member: str) -> None:
        failures = self._failures(BatchAccount(), SETTINGS, **{member: "42"})
        assert {code for code, _ in failures.values()} == {"ResourceNotFoundException"}
        assert len(failures) == len(SETTINGS)

    def test_no_output_uri(self) -> None:
        local = BatchAccount()
        request = local.request([{"runSettingId": "none"}, {"runSettingId": "own", "outputUri": "s3://results/own"}])
        del request["defaultRunSetting"]["outputUri"]
        batch = local.state.batches[local.call("StartRunBatch", **request)["id"]]
        local.until(batch, S.PROCESSED)
        assert local.statuses(batch) == {"none": "FAILED", "own": "SUCCESS"}

    def test_a_full_quota_of_stored_runs(self) -> None:
        local = BatchAccount(quotas=Quotas(stored_runs=2))
        failures = self._failures(local, SETTINGS)
        assert {key: code for key, (code, _) in failures.items()} == {
            "sample-2": "ServiceQuotaExceededException",
            "sample-3": "ServiceQuotaExceededException",
        }

    def test_when_every_submission_fails_the_batch_is_processed_without_runs(self) -> None:
        local = BatchAccount()
        batch = local.processed(outputUri="nowhere")
        answer = local.get(batch)
        assert answer["submissionSummary"]["failedStartSubmissionCount"] == answer["totalRuns"] == 4
        assert set(answer["runSummary"].values()) == {0}
        assert local.seen[-2:] == [S.INPROGRESS, S.PROCESSED]

    def test_throttling_is_retried_before_it_fails(self) -> None:
        local = BatchAccount(submission_retries=2)
        local.state.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="RunBatch.submit", count=3))
        assert self._failures(local, SETTINGS) == {}
        local.state.faults.clear()
        local.state.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="RunBatch.submit", count=None))
        batch = local.processed()
        item = local.listed(batch)[0]
        assert (item["submissionStatus"], item["submissionFailureReason"]) == ("FAILED", "ThrottlingException")
        # Two retries each: three attempts in all.
        assert [struck for _rule, struck in local.state.faults.rules()] == [3 * len(SETTINGS)]

    def test_what_cannot_mend_is_not_retried(self) -> None:
        local = BatchAccount()
        local.state.faults.add(
            FaultRule(
                kind=FaultKind.ERROR_BEFORE,
                operation="RunBatch.submit",
                code="AccessDeniedException",
                http_status=403,
                skip=1,
            )
        )
        failures = self._failures(local, SETTINGS)
        assert {key: code for key, (code, _) in failures.items()} == {"sample-1": "AccessDeniedException"}

    def test_a_setting_that_breaks_the_server_fails_alone(self) -> None:
        local = BatchAccount()
        # Half of a surrogate pair: JSON allows it, UTF-8 does not.
        uri = local.put_settings([{"runSettingId": "odd", "parameters": {"text": "\ud800"}}, {"runSettingId": "good"}])
        batch = local.processed(uri)
        assert local.statuses(batch) == {"odd": "FAILED", "good": "SUCCESS"}
        assert local.listed(batch)[0]["submissionFailureReason"] == "InternalServerException"

    def test_a_batch_waits_for_retries_before_it_is_in_progress(self) -> None:
        local = BatchAccount(submission_retry_seconds=60.0)
        local.state.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="RunBatch.submit"))
        batch = local.until(local.start(), S.SUBMITTING)
        local.advance(30)
        summary = local.get(batch)["submissionSummary"]
        assert (batch.status, summary["pendingStartSubmissionCount"]) == (S.SUBMITTING, 1)
        local.until(batch, S.PROCESSED)
        assert set(local.statuses(batch).values()) == {"SUCCESS"}


def test_ids_of_128_characters_and_any_text_are_kept() -> None:
    local = BatchAccount()
    ids = ["x" * 128, "Ünï 100% #1/2?", str(uuid.uuid4())]
    batch = local.processed([{"runSettingId": key} for key in ids])
    assert list(local.statuses(batch)) == ids
    assert [local.listed(batch, runSettingId=key)[0]["runSettingId"] for key in ids] == ids
