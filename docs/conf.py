"""How Sphinx builds the site; ``scripts/docs`` calls it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "airflow_provider_omics"
sys.path[:0] = [str(DOCS / "_extensions"), str(PACKAGE.parent)]

from airflow_provider_omics import __version__  # noqa: E402 - the package is beside, and is not installed

project = "airflow-provider-omics"
release = version = __version__
html_title = f"{project} {release}"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_logo = html_favicon = "_static/logo.svg"
html_copy_source = False
html_show_copyright = False
html_show_search_summary = False  # excerpts are fetched, which no browser does from the disk
extensions = ["myst_parser", "autoapi.extension", "omics_site"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
nitpicky = True
python_use_unqualified_type_names = True
suppress_warnings = ["autoapi.python_import_resolution"]  # of modules that are not shown

autoapi_dirs = [str(PACKAGE)]
autoapi_root = "reference/api"
autoapi_options = ["members", "inherited-members", "show-inheritance"]
autoapi_add_toctree_entry = False
#: What users import; operators, sensors, triggers and exceptions have pages of their own.
API = (
    "hooks/omics.py",
    "operators/xcom_keys.py",
    "links/omics.py",
    "permissions/policy.py",
    "permissions/model.py",
    "retry_policy.py",
    "healthomics/api/failures.py",
    "healthomics/api/events.py",
    "healthomics/results/table.py",
    "healthomics/results/outcome.py",
    "healthomics/runs/snapshot.py",
    "healthomics/runs/failure.py",
    "healthomics/batches/snapshots.py",
    "workflows/snapshot.py",
    "account/resource.py",
    "local/server.py",
    "local/assumptions.py",
    "local/quotas.py",
    "local/timings.py",
    "local/faults.py",
    "local/access.py",
    "local/executors/outcomes.py",
    "local/clock.py",
    "local/pytest_plugin.py",
)
#: Bases of the hook: read for what it inherits, and not shown.
BASES = ("hooks/workflows.py", "hooks/account.py", "hooks/client.py")
autoapi_ignore = [
    str(file) for file in PACKAGE.rglob("*.py") if file.relative_to(PACKAGE).as_posix() not in {*API, *BASES}
]
# What is not shown here, such as types of other packages and our own that users never name, gets no link.
SHOWN = "|".join(
    re.escape(module.removesuffix(".py").replace("/", "."))
    for module in (*API, "exceptions.py", "operators", "sensors", "triggers")
)
nitpick_ignore_regex = [(r"py:.*", rf"(?!airflow_provider_omics\.({SHOWN})\.).*")]


def setup(app: Sphinx) -> None:
    """Leave out the pages of what is only inherited from."""
    bases = {f"airflow_provider_omics.{base.removesuffix('.py').replace('/', '.')}" for base in BASES}
    app.connect("autoapi-skip-member", lambda _app, _what, name, *_others: True if name in bases else None)
