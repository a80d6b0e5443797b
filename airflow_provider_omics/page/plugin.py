"""Airflow plugin of the cohort's page; before Airflow 3.1, whose web server has no place for it, it adds nothing."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.links.cohort_page import URL_PREFIX, page_path


class OmicsCohortPlugin(AirflowPlugin):
    """Page of a cohort, and a list of cohorts in the menu."""

    name = "omics_cohort_page"

    # Every process of Airflow makes the plugin, and only the web server asks it for applications.
    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The application of the page."""
        if not HAS_COHORT_PAGE:
            return []
        from airflow_provider_omics.page.app import create_app

        return [{"app": create_app(), "url_prefix": URL_PREFIX, "name": "HealthOmics cohorts"}]

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """The entry of the menu, which opens a page and not a frame, out of which no link leads to AWS."""
        if not HAS_COHORT_PAGE:
            return []
        return [{"name": "HealthOmics cohorts", "href": page_path(), "destination": "nav", "category": "browse"}]
