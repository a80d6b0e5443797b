"""Access control by IAM actions: which of them callers may use, and which they have asked for."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Policy = Mapping[str, Any] | Iterable[str]
"""IAM policy document, or IAM actions, both with ``*`` and ``?`` in names of actions."""


class AccessControl:
    """Access control of all accounts of a server; it allows everything until it is given a policy.

    Only the actions of a policy count: resources are not compared, statements with a condition allow, and do not deny.

    :param policy: what callers may do; None for everything.
    :ivar policy: the same as it is now.
    :raises ValueError: the policy cannot be read.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._denied: Counter[str] = Counter()
        self.policy: Policy | None = None
        self._rules: Rules | None = None
        self.change(policy)

    def change(self, policy: Policy | None) -> None:
        """Take another policy.

        :param policy: what callers may do from now on; None for everything.
        :raises ValueError: it cannot be read; then nothing is changed.
        """
        given = policy if policy is None or isinstance(policy, Mapping | str) else tuple(policy)
        self._rules = None if given is None else Rules(given)
        self.policy = given

    def refused(self, actions: Iterable[str]) -> str | None:
        """Note the actions that a call needs, and return the first that is denied; None if all are allowed."""
        for action in actions:
            is_denied = not self.allows(action)
            with self._lock:
                self._asked[action] += 1
                self._denied[action] += is_denied
            if is_denied:
                return action
        return None

    def allows(self, action: str) -> bool:
        """Whether callers may use an action; nothing is noted."""
        rules = self._rules
        return rules is None or rules.allow(action)

    @property
    def allowed(self) -> list[str] | None:
        """Names and patterns of the actions that are allowed; None for all."""
        return None if self._rules is None else sorted(self._rules.allowed)

    @property
    def asked(self) -> Mapping[str, int]:
        """How often each action was asked for, denied ones included."""
        with self._lock:
            return dict(self._asked)

    @property
    def denied(self) -> Mapping[str, int]:
        """How often each action was denied."""
        with self._lock:
            return dict(+self._denied)

    def forget(self) -> None:
        """Forget what was asked for; the policy stays."""
        with self._lock:
            self._asked.clear()
            self._denied.clear()


class Rules:
    """Rules of a policy.

    :param policy: IAM policy document, or IAM actions.
    :raises ValueError: it cannot be read.
    """

    def __init__(self, policy: Policy) -> None:
        pairs = list(_of_document(policy) if isinstance(policy, Mapping) else _of_actions(policy))
        self.allowed = frozenset(action for effect, action in pairs if effect == "Allow")
        self._denied = frozenset(action for effect, action in pairs if effect == "Deny")

    def allow(self, action: str) -> bool:
        """Whether an action is allowed and not denied."""
        return _matches(self.allowed, action) and not _matches(self._denied, action)


def read_policy(path: Path) -> Policy:
    """Return the policy of a JSON file.

    :raises ValueError: the file cannot be read, or is not JSON.
    """
    try:
        policy: Policy = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"the policy {path} cannot be read: {error}") from error
    if not isinstance(policy, Mapping | list):
        raise ValueError(f"the policy {path} is neither a policy document nor a list of actions")
    return policy


def refusal_text(user: str, action: str, resource: str | None = None) -> str:
    """Return what AWS says of a call that is denied.

    :param user: ARN of the caller.
    :param resource: ARN of what the call is about; None where it is not named.
    """
    on = "" if resource is None else f" on resource: {resource}"
    why = f"because no identity-based policy allows the {action} action"
    return f"User: {user} is not authorized to perform: {action}{on} {why}"


def _matches(patterns: Iterable[str], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def _of_actions(actions: Iterable[str]) -> Iterator[tuple[str, str]]:
    if isinstance(actions, str):
        raise ValueError(f"a policy is a list of actions, or a document with a Statement, not {actions!r}")
    for action in actions:
        yield "Allow", _checked(action)


def _of_document(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for statement in _as_list(document.get("Statement")):
        effect = statement.get("Effect") if isinstance(statement, Mapping) else None
        if effect not in ("Allow", "Deny") or "Action" not in statement:
            raise ValueError(f"each Statement needs Effect (Allow or Deny) and Action; there is {statement!r}")
        if effect == "Allow" or "Condition" not in statement:
            for action in _as_list(statement["Action"]):
                yield effect, _checked(action)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        raise ValueError("a policy document has a Statement, and each has an Action")
    return value if isinstance(value, list) else [value]


def _checked(action: Any) -> str:
    if not isinstance(action, str) or (action != "*" and ":" not in action):
        raise ValueError(f"{action!r} is no IAM action such as omics:StartRun")
    return action
