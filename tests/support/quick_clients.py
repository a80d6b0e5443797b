"""What botocore works out anew for each session and each client, worked out once for all of a process.

Tests make some twenty sessions and clients each, which were half of what they cost. What a client does stays as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from botocore import endpoint_provider, hooks
from botocore.client import ClientCreator
from botocore.hooks import EVENT_ALIASES, EventAliaser
from botocore.loaders import JSONFileLoader, Loader
from botocore.model import ServiceModel

from airflow_provider_omics.healthomics.api import newer_members


def make_clients_quickly(patch: pytest.MonkeyPatch) -> None:
    """Have sessions and clients share what is the same for all of them.

    :param patch: undoes it.
    """
    _read_models_once(patch)
    _complete_models_once(patch)
    _share_models(patch)
    _share_endpoint_rules(patch)
    _share_names_of_events(patch)
    _share_methods(patch)
    _copy_handlers_quickly(patch)
    _ask_handlers_quickly(patch)


def _read_models_once(patch: pytest.MonkeyPatch) -> None:
    listed: dict[tuple[str, ...], list[str]] = {}
    list_services = Loader.list_available_services

    def list_once(self: Loader, type_name: str) -> list[str]:
        key = (type_name, *self.search_paths)
        if key not in listed:
            listed[key] = list_services(self, type_name)
        return listed[key]

    patch.setattr(Loader, "list_available_services", list_once)
    loader = JSONFileLoader()
    read_file = JSONFileLoader.load_file
    read_once = cache(lambda path: read_file(loader, path))
    patch.setattr(JSONFileLoader, "load_file", lambda _self, path: read_once(path))


def _complete_models_once(patch: pytest.MonkeyPatch) -> None:
    # Or each session would have a model of HealthOmics of its own, which no other cache here knows again.
    completed: dict[tuple[int, int], tuple[Any, Any, dict[str, Any]]] = {}
    complete = newer_members.complete_model

    def complete_once(model: Any, newer: Any) -> dict[str, Any]:
        key = (id(model), id(newer))
        if key not in completed:
            completed[key] = (model, newer, complete(model, newer))
        return completed[key][2]

    patch.setattr(newer_members, "complete_model", complete_once)


def _share_models(patch: pytest.MonkeyPatch) -> None:
    # With what was read, by whose identity it is found: files are read once, but a test may have a model of its own.
    models: dict[tuple[int, str], tuple[Any, ServiceModel]] = {}

    def load(self: ClientCreator, service_name: str, api_version: str | None = None) -> ServiceModel:
        read = self._loader.load_service_model(service_name, "service-2", api_version=api_version)
        key = (id(read), service_name)
        if key not in models:
            models[key] = (read, ServiceModel(read, service_name=service_name))
        return models[key][1]

    patch.setattr(ClientCreator, "_load_service_model", load)


def _share_endpoint_rules(patch: pytest.MonkeyPatch) -> None:
    rules_of: dict[tuple[int, int], tuple[Any, Any, Any]] = {}
    make_rules = endpoint_provider.RuleSet

    def make_once(*, rules: Any, partitions: Any, **members: Any) -> Any:
        key = (id(rules), id(partitions))
        if key not in rules_of:
            rules_of[key] = (rules, partitions, make_rules(rules=rules, partitions=partitions, **members))
        return rules_of[key][2]

    patch.setattr(endpoint_provider, "RuleSet", make_once)


def _share_names_of_events(patch: pytest.MonkeyPatch) -> None:
    names: dict[str, str] = {}
    make = EventAliaser.__init__

    def make_with_names(self: EventAliaser, event_emitter: Any, event_aliases: Any = None) -> None:
        make(self, event_emitter, event_aliases)
        if self._event_aliases == EVENT_ALIASES:
            self._alias_name_cache = names

    patch.setattr(EventAliaser, "__init__", make_with_names)


def _share_methods(patch: pytest.MonkeyPatch) -> None:
    methods: dict[tuple[type, int], tuple[ServiceModel, dict[str, Any]]] = {}
    make: Callable[[ClientCreator, ServiceModel], dict[str, Any]] = ClientCreator._create_methods

    def make_once(self: ClientCreator, service_model: ServiceModel) -> dict[str, Any]:
        key = (type(self), id(service_model))
        if key not in methods:
            methods[key] = (service_model, make(self, service_model))
        return dict(methods[key][1])

    patch.setattr(ClientCreator, "_create_methods", make_once)


def _copy_handlers_quickly(patch: pytest.MonkeyPatch) -> None:
    def copied(node: dict[str, Any]) -> dict[str, Any]:
        children = {name: copied(child) for name, child in node["children"].items()}
        values = node["values"]
        return {**node, "children": children, "values": values and hooks.NodeList(*(part.copy() for part in values))}

    def copy(self: Any) -> Any:
        made = type(self)()
        made._root = copied(self._root)
        return made

    patch.setattr(hooks._PrefixTrie, "__copy__", copy)


def _ask_handlers_quickly(patch: pytest.MonkeyPatch) -> None:
    ask: Callable[[Any], Any] = hooks.accepts_kwargs

    def accepts_keywords(handler: Any) -> Any:
        code = getattr(handler, "__code__", None)
        return ask(handler) if code is None else code.co_flags & inspect.CO_VARKEYWORDS

    patch.setattr(hooks, "accepts_kwargs", accepts_keywords)
