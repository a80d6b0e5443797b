"""Where a deployment's namespace comes from: the same on every worker, another in every deployment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omics_errors import raises

from airflow_provider_omics.compat import BASE_URL_SECTION
from airflow_provider_omics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.hooks.namespace import deployment_namespace

SETTINGS = ("CORE__FERNET_KEY", f"{BASE_URL_SECTION.upper()}__BASE_URL", "CORE__EXECUTION_API_SERVER_URL")
ASK = "from airflow_provider_omics.hooks.namespace import deployment_namespace as n; print('namespace', repr(n()))"


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return the namespace under some settings, by the names of their environment variables."""

    def namespace(*, of_connection: Any = None, **settings: str) -> str:
        with monkeypatch.context() as patch:
            for name in (*SETTINGS, "OMICS__NAMESPACE"):
                patch.delenv(f"AIRFLOW__{name}", raising=False)
            for name, value in settings.items():
                patch.setenv(f"AIRFLOW__{name}", value)
            return deployment_namespace(of_connection)

    return namespace


def base_url(url: str) -> dict[str, str]:
    return {f"{BASE_URL_SECTION.upper()}__BASE_URL": url}


def test_the_connection_wins_over_the_configuration_and_that_over_the_default(configure: Callable[..., str]) -> None:
    settings = base_url("https://airflow.example.com")
    assert configure(of_connection="research", OMICS__NAMESPACE="prod", **settings) == "research"
    assert configure(OMICS__NAMESPACE=" prod ", **settings) == "prod"
    assert configure(**settings) not in ("", "prod")


def test_the_address_of_a_deployment_tells_it_whatever_its_key(configure: Callable[..., str]) -> None:
    prod = configure(CORE__FERNET_KEY="a", **base_url("https://prod.example.com/airflow"))
    assert configure(CORE__FERNET_KEY="b", **base_url("https://prod.example.com/airflow/")) == prod
    assert configure(CORE__FERNET_KEY="a", **base_url("https://test.example.com/airflow")) != prod


@pytest.mark.parametrize("url", ["", "http://localhost:8080", "http://127.0.0.1:9999", "http://0.0.0.0:8080"])
def test_an_address_of_one_machine_tells_nothing_so_the_key_does(configure: Callable[..., str], url: str) -> None:
    mine = configure(CORE__FERNET_KEY="mine", **base_url(url))
    assert mine == configure(CORE__FERNET_KEY="mine")
    assert mine != configure(CORE__FERNET_KEY="yours", **base_url(url))
    assert "mine" not in mine


def test_the_namespace_stays_while_the_key_is_changed(configure: Callable[..., str]) -> None:
    assert configure(CORE__FERNET_KEY="new, old") == configure(CORE__FERNET_KEY="old")


def test_a_worker_far_from_the_api_server_takes_no_key_that_it_may_have_made_itself(
    configure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"CORE__EXECUTION_API_SERVER_URL": "http://api.airflow.svc:8080/execution/"}
    far = configure(**url)
    assert far == configure(**url) != configure(CORE__EXECUTION_API_SERVER_URL="http://other.svc:8080/execution/")
    assert configure(CORE__FERNET_KEY="shared", **url) == configure(CORE__FERNET_KEY="shared")


@pytest.mark.parametrize("given", [3, "", " ", "x" * 65])
def test_what_is_no_namespace_is_refused(configure: Callable[..., str], given: Any) -> None:
    with raises(OmicsRequestInvalidError, match="1 to 64 characters"):
        configure(of_connection=given)


@pytest.mark.parametrize("has_key", [True, False])
def test_two_homes_have_two_namespaces_that_outlast_their_processes(tmp_path: Path, has_key: bool) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}

    def ask(home: str) -> str:
        environment = {**kept, "AIRFLOW_HOME": str(tmp_path / home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        if has_key:
            # Writes airflow.cfg, with a key, as whatever is run first does.
            command = [sys.executable, "-m", "airflow", "config", "get-value", "core", "executor"]
            subprocess.run(command, env=environment, capture_output=True, timeout=300, check=True)
            assert "fernet_key = " in (tmp_path / home / "airflow.cfg").read_text()
        done = subprocess.run(
            [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        return next(line for line in done.stdout.splitlines() if line.startswith("namespace"))

    first, again, other = ask("one"), ask("one"), ask("two")
    assert first == again != other
    assert len(first) == len("namespace 'xxxxxxxxxxxx'")


def test_the_setting_is_declared_where_airflow_lists_it(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = {**kept, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-m", "airflow", "config", "list", "--section", "omics", "--include-descriptions"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert "[omics]" in done.stdout
    assert "namespace" in done.stdout
    command = [sys.executable, "-m", "airflow", "config", "get-value", "omics", "namespace"]
    set_to = {**environment, "AIRFLOW__OMICS__NAMESPACE": "prod"}
    done = subprocess.run(command, env=set_to, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines()[-1] == "prod"
