"""Rendering the templates of operators and sensors: what is no template stays as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class LiteralTextMixin(BaseOperator):
    """Leaves text without a mark of Jinja alone, at every depth of a template field.

    A DAG with ``render_template_as_native_obj`` reads all text as Python, also what no template made: the id ``1E5``
    becomes 100000.0, the version ``1.10`` becomes 1.1.
    """

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
            if not _is_template(content, jinja_env):
                return content
        return super().render_template(content, context, jinja_env, seen_oids)


def _is_template(text: str, jinja_env: jinja2.Environment) -> bool:
    marks = (
        jinja_env.variable_start_string,
        jinja_env.block_start_string,
        jinja_env.comment_start_string,
        jinja_env.line_statement_prefix,
        jinja_env.line_comment_prefix,
    )
    return any(mark in text for mark in marks if mark)
