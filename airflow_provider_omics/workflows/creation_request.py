"""Building and checking CreateWorkflow and CreateWorkflowVersion, and telling their content apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_omics.healthomics.requests.checks import as_typed, storage_issues, tag_issues
from airflow_provider_omics.healthomics.requests.coercion import coerce
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.levels import FAIL, OFF
from airflow_provider_omics.healthomics.requests.literals import certain_issues, member_issues, missing_issues
from airflow_provider_omics.healthomics.requests.s3_uris import object_uri_issues
from airflow_provider_omics.healthomics.requests.shapes import api_name, check_request, operation_model
from airflow_provider_omics.healthomics.requests.start_run import digest_without
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError, size_issues
from airflow_provider_omics.workflows.definition import (
    ENGINE_NAMES,
    MOST_README_BYTES,
    Definition,
    read_definition,
    readme_issues,
    template_path_issues,
)
from airflow_provider_omics.workflows.engine_checks import EngineReport, read_with_engine
from airflow_provider_omics.workflows.nextflow import has_configuration, read_json_file
from airflow_provider_omics.workflows.template import MADE, in_file, mismatches, template_issues

if TYPE_CHECKING:
    from botocore.model import StructureShape

CREATE_WORKFLOW, CREATE_VERSION = "CreateWorkflow", "CreateWorkflowVersion"
CREATION_FIELDS = (
    "description",
    "engine",
    "main",
    "parameter_template",
    "parameter_template_path",
    "storage_type",
    "storage_capacity",
    "accelerators",
    "container_registry_map",
    "container_registry_map_uri",
    "readme_markdown",
    "readme_path",
    "readme_uri",
    "definition_repository",
    "workflow_bucket_owner_id",
    "tags",
    "request_id",
)
"""The members that CreateWorkflow and CreateWorkflowVersion have in common, as users type them."""
NOT_CONTENT = frozenset(
    {
        "name",
        "versionName",
        "workflowId",
        "description",
        "readmeMarkdown",
        "readmePath",
        "readmeUri",
        "requestId",
        "tags",
        "workflowBucketOwnerId",
    }
)
"""Members that do not say what runs compute, so that content stays the same when only these change."""
ARCHIVES = ("definitionZip", "definitionUri")
"""Members that are made of ``definition``."""
_SOURCES = (*ARCHIVES, "definitionRepository")
_MADE_LATER = {CREATE_WORKFLOW: {"requestId": "-"}, CREATE_VERSION: {"requestId": "-", "versionName": "0"}}
_OBJECTS = {"readmeUri": "README.md", "containerRegistryMapUri": "registry-map.json"}
_TOGETHER = (
    ("parameterTemplate", "parameterTemplatePath"),
    ("readmeMarkdown", "readmeUri"),
    ("readmeMarkdown", "readmePath"),
    ("readmeUri", "readmePath"),
    ("containerRegistryMap", "containerRegistryMapUri"),
)


@dataclass(frozen=True)
class Creation:
    """Request to create a workflow or a version, checked.

    :param request: members by their API names, without ``requestId`` unless it was given.
    :param digest: of its content: the definition, and whatever else makes its runs compute something else.
    :param notes: what a person should know, although nothing is refused for it.
    """

    operation: str
    request: Mapping[str, Any]
    digest: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where the definition is.

    :param bundle: its files; None where they cannot be read, as in a repository.
    :param uri: S3 URI of its archive; None where the archive is sent.
    :param issues: why it cannot be read; what else is wrong with the request is found all the same.
    """

    bundle: Bundle | None = None
    uri: str | None = None
    issues: tuple[Issue, ...] = ()

    @property
    def members(self) -> dict[str, Any]:
        """The member of the request that has it."""
        if self.uri is not None:
            return {"definitionUri": self.uri}
        if self.bundle is not None:
            return {"definitionZip": self.bundle.archive}
        return {"definitionZip": b"-"} if self.issues else {}


def build_creation(
    operation: str,
    fields: Mapping[str, Any],
    extra: Mapping[str, Any],
    source: Source,
    *,
    level: str = FAIL,
    reserved_tags: int = 0,
) -> Creation:
    """Build a request and refuse it, with everything that is wrong at once.

    :param operation: ``CreateWorkflow`` or ``CreateWorkflowVersion``.
    :param fields: values by their API names; None means "not sent". A ``parameterTemplate`` that is ``made`` is made of
        the definition's inputs.
    :param extra: members that this release does not name; they win.
    :param level: what becomes of what the tools of the language find: ``off``, ``warn`` or ``fail``.
    :param reserved_tags: how many tags will be added later.
    :raises OmicsRequestInvalidError: the request or the definition has problems.
    """
    shape = _shape(operation)
    given = {**fields, **source.members, **extra}
    request = {name: coerce(shape.members.get(name), value) for name, value in given.items() if value is not None}
    checked = _DefinitionCheck(request, source, level)
    found = list(checked.issues())
    issues = [*_request_issues(operation, checked.request, reserved_tags), *found]
    if issues:
        raise OmicsRequestInvalidError(operation, [as_typed(issue, shape.members) for issue in issues])
    content = {name: value for name, value in checked.request.items() if name not in ARCHIVES}
    content["definition"] = source.uri if source.bundle is None else source.bundle.digest
    notes = (str(as_typed(note, shape.members)) if isinstance(note, Issue) else note for note in checked.notes)
    return Creation(operation, checked.request, digest_without(NOT_CONTENT, content), tuple(notes))


def version_name_of(digest: str) -> str:
    """Return the name of a version that was not given one."""
    return f"sha-{digest[:16]}"


def literal_creation_issues(
    operation: str, fields: Iterable[str], plain: Mapping[str, Any], templated: Collection[str] | None
) -> Iterator[Issue]:
    """Yield what is wrong with a request whatever its templates come to.

    :param fields: the arguments that are members of the request.
    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are; None where not all arguments are known.
    """
    request = {api_name(name): plain[name] for name in fields if plain.get(name) is not None}
    if request.get("parameterTemplate") == MADE:
        del request["parameterTemplate"]
    if plain.get("definition") is not None:
        request["definitionUri"] = str(plain["definition"])

    def check(members: Mapping[str, Any]) -> Iterator[Issue]:
        yield from _combination_issues(members)
        yield from missing_issues(members, ("name",) if operation == CREATE_WORKFLOW else ())

    members = {name: value for name, value in request.items() if name != "definitionUri"}
    issues = list(member_issues(lambda: _shape(operation), members))
    if templated is not None:
        names = [api_name(name) if name != "definition" else "definitionUri" for name in templated]
        issues += certain_issues(check, request, names)
    yield from (as_typed(issue, _shape(operation).members) for issue in issues)


class _DefinitionCheck:
    """Checks a definition together with the request that names its parts.

    :ivar request: the request, with the template that was made.
    :ivar notes: what is only text.
    """

    def __init__(self, request: Mapping[str, Any], source: Source, level: str) -> None:
        self.request = dict(request)
        self.notes: list[Issue | str] = []
        self._source = source
        self._level = level

    def issues(self) -> Iterator[Issue]:
        bundle = self._source.bundle
        wants_template = self.request.get("parameterTemplate") == MADE
        if self._source.issues:
            yield from self._source.issues
            if wants_template:
                del self.request["parameterTemplate"]
            return
        if bundle is None:
            if wants_template:
                del self.request["parameterTemplate"]
                what = "cannot be made of a definition that only HealthOmics reads"
                yield Issue("parameterTemplate", what, "Give the template, or leave it to HealthOmics")
            return
        if self._source.uri is None:
            yield from size_issues(bundle)
        yield from readme_issues(bundle, self.request.get("readmePath"))
        yield from template_path_issues(bundle, self.request.get("parameterTemplatePath"))
        engine = self.request.get("engine")
        if engine not in (None, *ENGINE_NAMES):
            # Either the service's model does not know it, which is told with the request, or only this release.
            yield from self._unread(f"{bundle.origin} is not checked, since the engine {engine} is not known here")
            return
        try:
            definition = read_definition(bundle, engine, self.request.get("main"))
        except DefinitionError as error:
            if wants_template:
                del self.request["parameterTemplate"]
            yield error.issue
            return
        yield from self._read(definition, wants_template=wants_template)

    def _unread(self, why: str) -> Iterator[Issue]:
        if self.request.get("parameterTemplate") == MADE:
            del self.request["parameterTemplate"]
            yield Issue("parameterTemplate", f"cannot be made: {why}", "Give the template")
        self.notes.append(why)

    def _read(self, definition: Definition, *, wants_template: bool) -> Iterator[Issue]:
        if self._level == OFF and not wants_template:
            report = EngineReport(None)
        else:
            report = read_with_engine(definition, validate=self._level != OFF)
        if wants_template:
            del self.request["parameterTemplate"]
            yield from self._make_template(definition, report)
        if report.note is not None and not (wants_template and report.template is None):
            self.notes.append(report.note)
        found = [*report.issues, *self._compare(definition, report)]
        if self._refuses(definition):
            yield from found
        elif self._level != OFF:
            self.notes.extend(found)

    def _make_template(self, definition: Definition, report: EngineReport) -> Iterator[Issue]:
        if report.template:
            self.request["parameterTemplate"] = report.template
        elif report.template is None and not (report.issues and self._refuses(definition)):
            first = next((f"{issue.where}: {issue.what}" for issue in report.issues), None)
            why = report.note or first or f"{definition.main} cannot be read"
            yield Issue("parameterTemplate", f"cannot be made: {why}", "Mend that, or give the template")

    def _refuses(self, definition: Definition) -> bool:
        # The lenient engine takes WDL that the standard does not allow.
        return self._level == FAIL and definition.engine != "WDL_LENIENT"

    def _compare(self, definition: Definition, report: EngineReport) -> Iterator[Issue]:
        path = str(self.request.get("parameterTemplatePath"))
        template = self.request.get("parameterTemplate")
        if path not in definition.bundle.files:
            yield from self._mismatches(definition, report, template, "parameterTemplate")
            return
        try:
            template = read_json_file(definition.bundle, path)
        except DefinitionError as error:
            yield error.issue
            return
        found = [*template_issues(template, path), *self._mismatches(definition, report, template, path)]
        text = definition.bundle.text(path)
        yield from (in_file(issue, path, text, template) for issue in found)

    def _mismatches(self, definition: Definition, report: EngineReport, template: Any, where: str) -> Iterator[Issue]:
        if report.template is None or not isinstance(template, Mapping):
            return
        found = mismatches(template, report.template, where, definition.file)
        if definition.engine == "NEXTFLOW" and has_configuration(definition.bundle):
            if self._level != OFF:
                self.notes.extend(found)
        else:
            yield from found


def _request_issues(operation: str, request: Mapping[str, Any], reserved_tags: int) -> Iterator[Issue]:
    template = request.get("parameterTemplate")
    if template is not None:
        yield from template_issues(template, "parameterTemplate")
    # What the model says of the template is said above.
    plain = {name: value for name, value in request.items() if name != "parameterTemplate"}
    yield from check_request(operation, {**_MADE_LATER[operation], **plain})
    yield from _combination_issues(request)
    yield from storage_issues(request)
    yield from tag_issues("tags", request.get("tags"), reserved_tags)
    if operation == CREATE_WORKFLOW:
        yield from missing_issues(request, ("name",))
    readme = request.get("readmeMarkdown")
    if isinstance(readme, str) and len(readme.encode()) > MOST_README_BYTES:
        what = f"takes {len(readme.encode()):,} bytes, more than {MOST_README_BYTES:,}"
        yield Issue("readmeMarkdown", what, "Shorten it, and link to the rest")


def _combination_issues(request: Mapping[str, Any]) -> Iterator[Issue]:
    sources = [name for name in _SOURCES if request.get(name) is not None]
    if len(sources) != 1:
        what = "is missing" if not sources else "is given, and definition_repository too"
        fix = "Give definition: a folder, a file or the s3:// URI of a zip archive; or else definition_repository"
        yield Issue("definition", what, fix)
    for one, other in _TOGETHER:
        if request.get(one) is not None and request.get(other) is not None:
            yield Issue(one, f"is given together with {other}", "Give one of them")
    for name, example in _OBJECTS.items():
        uri = request.get(name)
        if isinstance(uri, str) and any(object_uri_issues(name, uri)):
            yield Issue(name, f"{uri!r} is not the S3 URI of an object", f"Give one such as s3://my-bucket/{example}")


def is_moving(repository: Any) -> bool:
    """Whether what a ``definition_repository`` refers to may change: a branch, a tag, or nothing in particular."""
    reference = repository.get("sourceReference") if isinstance(repository, Mapping) else None
    return not isinstance(reference, Mapping) or reference.get("type") != "COMMIT"


def named_version(creation: Creation) -> Creation:
    """Return the creation of a version, with a name made of its content unless it has one.

    :raises OmicsRequestInvalidError: the content is not known, so that no name can be made of it.
    """
    if creation.request.get("versionName") is not None:
        return creation
    repository = creation.request.get("definitionRepository")
    if repository is not None and is_moving(repository):
        what = "is missing, and what the repository refers to may change, so that no name can be made of it"
        fix = "Give the commit in source_reference (type COMMIT), or version_name"
        raise OmicsRequestInvalidError(creation.operation, [Issue("version_name", what, fix)])
    return replace(creation, request={**creation.request, "versionName": version_name_of(creation.digest)})


def _shape(operation: str) -> StructureShape:
    return cast("StructureShape", operation_model(operation).input_shape)
