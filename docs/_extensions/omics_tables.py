"""The directive ``omics-table``: tables of the reference that are made from the code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from docutils import nodes
from omics_class_page import XCOM_KEYS, pushed_keys
from omics_classes import ROLES, PublicClass, docstring, documented_constants, exported, public_classes
from omics_links import described_links, extra_links
from omics_nodes import PageDirective

from airflow_provider_omics.healthomics.api import failures
from airflow_provider_omics.provider_info import get_provider_info

EXCEPTIONS = "airflow_provider_omics.exceptions"
_MEMBER = re.compile(r"^:ivar (\w+):(.*?)(?=^:|\Z)", re.MULTILINE | re.DOTALL)


class OmicsTableDirective(PageDirective):
    """One table; its argument says which."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        self.note_sources()
        tables: Mapping[str, Callable[[], list[nodes.Node]]] = {
            "failure-codes": self._failure_codes,
            "submission-failures": self._submission_failures,
            "batch-failures": self._batch_failures,
            "xcom-keys": self._xcom_keys,
            "links": self._links,
            "settings": self._settings,
            "exceptions": self._exceptions,
            **{role: lambda role=role: self._classes(role) for role in ROLES},
        }
        if self.arguments[0] not in tables:
            raise self.error(f"there is no table {self.arguments[0]}; there are {', '.join(tables)}")
        return tables[self.arguments[0]]()

    def _failure_codes(self) -> list[nodes.Node]:
        return self._advice(failures.advise(code) for code in sorted(failures.KNOWN_CODES))

    def _submission_failures(self) -> list[nodes.Node]:
        return self._advice(failures.advise_submission(code) for code in sorted(failures._SUBMISSIONS))

    def _advice(self, known: Iterable[failures.FailureAdvice]) -> list[nodes.Node]:
        entries = ((one.code, f"{one.advice}\n\n{_judgement(one)}") for one in known)
        return [self.terms(entries, None, "")]

    def _batch_failures(self) -> list[nodes.Node]:
        rows = [(f"``{pattern.pattern}``", str(known[0]), advice) for pattern, known, advice in failures._BATCHES]
        return self.table(("What the sentence has", "Class", "What to do"), rows)

    def _xcom_keys(self) -> list[nodes.Node]:
        rows = []
        for key, text in documented_constants(XCOM_KEYS):
            by = [one.name for one in public_classes().values() if key in dict(pushed_keys(one))]
            rows.append((f"``{key}``", text, ", ".join(f":doc:`/operators/{name}`" for name in by)))
        return self.table(("Key", "Value", "Pushed by"), rows)

    def _links(self) -> list[nodes.Node]:
        rows = []
        for name, text in described_links().values():
            of = [one for one in public_classes().values() if name in dict(extra_links(one))]
            rows.append((name, text, ", ".join(f":doc:`/{one.role}/{one.name}`" for one in of)))
        return self.table(("Link", "Leads to", "Of"), rows)

    def _settings(self) -> list[nodes.Node]:
        config: Mapping[str, Mapping[str, Mapping[str, Mapping[str, str]]]] = get_provider_info()["config"]
        return [
            self.terms(
                (
                    (
                        f"[{section}] {name}",
                        f"{option['description']}\n\nEnvironment: {_variable(section, name)}. Since"
                        f" {option['version_added']}; example: ``{option['example']}``.",
                    )
                    for name, option in entry["options"].items()
                ),
                None,
                "setting",
            )
            for section, entry in config.items()
        ]

    def _exceptions(self) -> list[nodes.Node]:
        entries: list[nodes.Node] = []
        for name in exported(EXCEPTIONS):
            text = _MEMBER.sub(_as_bullet, docstring(EXCEPTIONS, name))
            twin = f"{name.removesuffix('Error')}NonRetryableError"
            names = [name] if name in ("OmicsError", "OmicsSensorTimeoutError") else [name, twin]
            (entry,) = self.terms([(name, text)], EXCEPTIONS, "").children
            entry[0]["ids"] = names
            for one in names:
                self.env.domains.python_domain.note_object(f"{EXCEPTIONS}.{one}", "exception", one, location=entry)
            if twin in names:
                entry[1] += self.rst(f"Where no retry can mend it: ``{twin}``.")
            entries.append(entry)
        return [nodes.definition_list("", *entries)]

    def _classes(self, role: str) -> list[nodes.Node]:
        rows = [
            (f":doc:`/{role}/{one.name}`", " ".join(one.summary.split()))
            for one in sorted(public_classes().values(), key=_place)
            if one.role == role
        ]
        return self.table((ROLES[role], "What it does"), rows)


def _as_bullet(member: re.Match[str]) -> str:
    return f"* ``{member[1]}``: {' '.join(member[2].split())}\n"


def _judgement(one: failures.FailureAdvice) -> str:
    if one.is_permanent:
        retry = "no retry: the same request fails again"
    elif one.failure_class.retry_may_help:
        retry = "a retry may help"
    else:
        retry = "a retry helps once something was mended"
    return f"Class *{one.failure_class}*; {one.owner} can act; {retry}."


def _place(one: PublicClass) -> tuple[bool, bool, str]:
    """What is started comes before what is made for it."""
    resource = one.module.rpartition(".")[2].removesuffix("_end")
    return resource != "run", resource != "batch", resource


def _variable(section: str, name: str) -> str:
    return f"``AIRFLOW__{section.upper()}__{name.upper()}``"
