"""Parameters are compared with the workflow's template before anything is sent, for all samples at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.parameter_template import WorkflowParameters
from airflow_provider_omics.healthomics.run_settings import template as compare
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort

Write = Callable[[str, str | bytes], str]
Read = Callable[..., Cohort]

TEMPLATE = {
    "reads": {"description": "FASTQ", "optional": False},
    "reference": {"description": "FASTA"},
    "mate": {"description": "FASTQ", "optional": True},
}
DEFAULTS = {"outputUri": "s3://bucket/o", "parameters": {"reference": "s3://bucket/ref.fa"}}


def template_issues(cohort: Cohort, template: Any) -> list[Issue]:
    return compare.template_issues(cohort, WorkflowParameters.of({"parameterTemplate": template}))


def test_settings_that_fit_have_no_issues(read: Read) -> None:
    rows = [
        {"id": "A", "reads": "a", "mate": "b"},
        {"id": "B", "reads": "b"},
        {"id": "C", "reads": "c", "reference": 1},
    ]
    assert template_issues(read(rows, "id", defaults=DEFAULTS), TEMPLATE) == []


@pytest.mark.parametrize("template", [None, {}])
def test_without_a_template_nothing_is_checked(template: Any, read: Read) -> None:
    assert template_issues(read([{"runSettingId": "A", "parameters": {"anything": 1}}]), template) == []


def test_all_offenders_are_said_at_once_with_their_rows(write: Write, read: Read) -> None:
    path = write("a.csv", "id,reads,mate,raeds\nA,a,b,\nB,,b,\n\nC,,,x\n")
    issues = template_issues(read(path, "id", defaults=DEFAULTS), TEMPLATE)
    assert [(issue.where, issue.what, issue.fix) for issue in issues] == [
        (
            "parameters.reads",
            f"is required by the workflow and missing in 2 of 3 run settings: {path} row 3, {path} row 5",
            "Give it there, or in parameters for all runs",
        ),
        (
            "parameters.raeds",
            f"is not a parameter of the workflow, and is given in 1 of 3 run settings: {path} row 5",
            "Did you mean 'reads'? If not: Leave it out; the workflow takes mate, reads, reference",
        ),
    ]


def test_what_is_wrong_in_all_samples_names_none_of_them(read: Read) -> None:
    rows = [{"id": f"S{number}", "x": 1} for number in range(20)]
    issues = template_issues(read(rows, "id"), {"reads": {}, "mate": {"optional": True}})
    assert [f"{issue.where} {issue.what}" for issue in issues] == [
        "parameters.reads is required by the workflow and missing in every run setting",
        "parameters.x is not a parameter of the workflow, and is given in every run setting",
    ]
    assert issues[1].fix == "Leave it out; the workflow takes mate, reads"


def test_what_the_defaults_give_wrongly_is_said_once(read: Read) -> None:
    defaults = {"outputUri": "s3://bucket/o", "parameters": {"refrence": "x", "reads": "y"}}
    (first, second) = template_issues(read([{"runSettingId": "A"}, {"runSettingId": "B"}], defaults=defaults), TEMPLATE)
    assert (first.where, first.what) == (
        "parameters.reference",
        "is required by the workflow and missing in every run setting",
    )
    assert second.where == "parameters.refrence"
    assert second.what == "is given for all runs, and the workflow does not take it"
    assert second.fix == "Did you mean 'reference'? If not: Leave it out; the workflow takes mate, reads, reference"


def test_many_offenders_are_named_by_the_first_and_counted(read: Read) -> None:
    rows = [{"id": f"S{number}", "reads": "" if number % 2 else "r"} for number in range(3000)]
    (issue,) = template_issues(read(rows, "id", defaults=DEFAULTS), TEMPLATE)
    places = ", ".join(f"run_settings[{number}]" for number in (1, 3, 5, 7, 9))
    assert issue.what.endswith(f"missing in 1,500 of 3,000 run settings: {places} and 1,495 more")


def test_a_flood_of_unknown_names_stays_readable(read: Read) -> None:
    settings = [{"runSettingId": str(n), "parameters": {"reads": 1, "reference": 1, f"q{n}": 1}} for n in range(1000)]
    issues = template_issues(read(settings), TEMPLATE)
    assert len(issues) == 101
    assert issues[-1].what == "900 more of other names are unknown"


def test_a_row_whose_cells_are_all_lists_of_a_group_is_compared_too(read: Read) -> None:
    rows = [{"id": "A", "reads": "a", "mate": ""}, {"id": "A", "reads": "b", "mate": ""}]
    assert template_issues(read(rows, "id", group_rows=True, defaults=DEFAULTS), TEMPLATE) == []


class TestProfiles:
    """Each Nextflow profile takes parameters of its own."""

    WORKFLOW = WorkflowParameters.of(
        {
            "parameterTemplate": {"reads": {}, "mate": {"optional": True}},
            "profiles": ["gpu", "test", "plain"],
            "profileParameterTemplates": {
                "gpu": {"reads": {}, "model": {"description": "weights"}, "mate": {"optional": True}},
                "test": {"reads": {"optional": True}, "seed": {"optional": True}},
            },
        }
    )

    def issues(self, cohort: Cohort, engine_settings: Any = None) -> list[tuple[str, str]]:
        found = compare.template_issues(cohort, self.WORKFLOW, engine_settings)
        return [(f"{issue.where} {issue.what}", issue.fix) for issue in found]

    def sample(self, name: str, profile: str | None = None, **parameters: Any) -> dict[str, Any]:
        own = {} if profile is None else {"engineSettings": {"profile": profile}}
        return {"runSettingId": name, "parameters": parameters, **own}

    def test_what_a_profile_takes_is_known_and_what_it_requires_is_required(self, read: Read) -> None:
        settings = [self.sample("A", reads=1, model=1), self.sample("B", reads=1)]
        assert self.issues(read(settings), {"profile": "gpu"}) == [
            (
                "parameters.model is required by the workflow with profile gpu and missing in 1 of 2 run settings: "
                "run_settings[1]",
                "Give it there, or in parameters for all runs",
            )
        ]
        (unknown,) = self.issues(read([self.sample("A", reads=1, model=1)]))
        assert unknown == (
            "parameters.model is not a parameter of the workflow, and is given in every run setting",
            "Leave it out; the workflow takes mate, reads",
        )

    def test_a_profile_can_give_what_the_workflow_itself_requires(self, read: Read) -> None:
        assert self.issues(read([self.sample("A"), self.sample("B", mate=1)]), {"profile": "test"}) == []

    def test_a_samples_own_engine_settings_replace_those_of_all_runs(self, read: Read) -> None:
        settings = [self.sample("A", "test", seed=1), {**self.sample("B", reads=1), "engineSettings": {}}]
        assert self.issues(read(settings), {"profile": "gpu"}) == []

    @pytest.mark.parametrize("profile", ["gpu,test", " test , gpu "])
    def test_several_profiles_add_up(self, read: Read, profile: str) -> None:
        assert self.issues(read([self.sample("A", profile, model=1, seed=1)])) == []
        assert [what.split()[0] for what, _fix in self.issues(read([self.sample("A", profile)]))] == [
            "parameters.model"
        ]

    @pytest.mark.parametrize("profile", ["plain", "standard", "", None])
    def test_a_profile_without_a_template_changes_nothing(self, read: Read, profile: str | None) -> None:
        assert self.issues(read([self.sample("A", reads=1)]), {"profile": profile}) == []
        assert [what.split()[0] for what, _fix in self.issues(read([self.sample("A")]), {"profile": profile})] == [
            "parameters.reads"
        ]

    def test_an_unknown_profile_is_named_with_those_that_there_are(self, read: Read) -> None:
        settings = [self.sample("A", "gpuu", reads=1), self.sample("B", "none", reads=1), self.sample("C", reads=1)]
        assert self.issues(read(settings)) == [
            (
                "engineSettings.profile 'gpuu' is not a profile of the workflow, and is chosen in 1 of 3 run settings: "
                "run_settings[0]",
                "Did you mean 'gpu'? If not: Leave it out; the workflow has gpu, plain, test",
            ),
            (
                "engineSettings.profile 'none' is not a profile of the workflow, and is chosen in 1 of 3 run settings:"
                " run_settings[1]",
                "Leave it out; the workflow has gpu, plain, test",
            ),
        ]

    def test_what_the_defaults_give_wrongly_is_said_for_the_profile(self, read: Read) -> None:
        settings = [self.sample("A", "gpu", reads=1, model=1), self.sample("B", "test")]
        defaults = {"outputUri": "s3://bucket/o", "parameters": {"seed": 1}}
        assert self.issues(read(settings, defaults=defaults)) == [
            (
                "parameters.seed is given for all runs, and the workflow does not take it with profile gpu",
                "Leave it out; the workflow takes mate, model, reads",
            )
        ]
