"""Templates of operators and sensors: which fields are, what is one, and what it comes to."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.hooks.arguments import ARGUMENTS, read_arguments

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    _Base = BaseOperator
else:
    _Base = object

BULKY = frozenset({"run_settings"})
"""Template fields that may hold a hundred thousand entries."""
_MARKS = ("{{", "{%", "{#")
_NAMES_OF_MARKS = (
    "variable_start_string",
    "block_start_string",
    "comment_start_string",
    "line_statement_prefix",
    "line_comment_prefix",
)


class TemplatesMixin(_Base):
    """Makes the arguments of the table template fields, and leaves text without a mark of Jinja alone.

    A DAG with ``render_template_as_native_obj`` reads all text as Python, also what no template made: the id ``1E5``
    becomes 100000.0, the version ``1.10`` becomes 1.1.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Add the arguments of the table that the class takes to its template fields."""
        super().__init_subclass__(**kwargs)
        taken = (name for one in cls.__mro__ if "__init__" in vars(one) for name in _parameters(one))
        cls.template_fields = tuple(dict.fromkeys([*cls.template_fields, *filter(ARGUMENTS.__contains__, taken)]))

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self:
            read_arguments(self)

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a value as Airflow does, unless it is text that is no template."""
        if isinstance(content, str) and not content.endswith(tuple(self.template_ext)):
            jinja_env = jinja_env or self.get_template_env()
            marks = (getattr(jinja_env, name) for name in _NAMES_OF_MARKS)
            if not any(mark in content for mark in marks if mark):
                return content
        return super().render_template(content, context, jinja_env, seen_oids)

    def is_literal(self, value: Any, *, is_bulky: bool = False) -> bool:
        """Whether the DAG's file says what an argument will be: it is no template, and no task's output.

        :param is_bulky: whether it may be too large to be looked through; then only an empty one counts.
        """
        if is_bulky:
            return not value
        dag = self.dag if self.has_dag() else None  # type: ignore[no-untyped-call]
        own = (getattr(dag, "jinja_environment_kwargs", None) or {}).values()
        marks = (*_MARKS, *(mark for mark in own if isinstance(mark, str) and mark))
        return is_literal(value, marks, tuple(self.template_ext))


def is_literal(value: Any, marks: tuple[str, ...] = _MARKS, template_ext: tuple[str, ...] = ()) -> bool:
    """Whether a value is plain, down to what it holds: no template, no task's output, no object.

    :param marks: what makes text a template.
    :param template_ext: the ends of text that names a file with a template.
    """
    if isinstance(value, str):
        return not value.endswith(template_ext) and not any(mark in value for mark in marks)
    if isinstance(value, Mapping):
        return all(is_literal(part, marks, template_ext) for entry in value.items() for part in entry)
    if isinstance(value, (list, tuple, set)):
        return all(is_literal(part, marks, template_ext) for part in value)
    return value is None or isinstance(value, (bool, int, float))


def _parameters(taker: type) -> Iterable[str]:
    return inspect.signature(vars(taker)["__init__"]).parameters
