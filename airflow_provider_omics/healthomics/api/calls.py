"""Conversations with the API that a worker and a triggerer can both hold.

What is asked, and what follows from the answers, is written once as a generator of calls; :func:`perform` makes them
with boto3, :func:`aperform` with aiobotocore, and :func:`aconverse` with whatever answers. An error of a call is thrown
into the generator, which may handle it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError

T = TypeVar("T")

PAGE_SIZE = 100
"""Most items of a page of any list operation."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to be made.

    :param operation: the operation's API name, such as ``GetBatch``.
    :param members: the request, by the API's names.
    """

    operation: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question(Call):
    """A question that is not for HealthOmics, asked in the middle of a conversation.

    :param ask: answers it, and may block.
    :param aask: answers it without blocking the event loop.
    """

    ask: Callable[[], Any]
    aask: Callable[[], Awaitable[Any]]


Steps = Generator[Call, Any, T]
Answer = Callable[[Call], Awaitable[Any]]


def make(client: Any, call: Call) -> Any:
    """Make one call with a boto3 client of HealthOmics; an error of the way to the service names its operation."""
    if isinstance(call, Question):
        return call.ask()
    try:
        return getattr(client, xform_name(call.operation))(**call.members)
    except Exception as error:
        raise _named(error, call)  # noqa: B904 - it is the same error


def perform(client: Any, steps: Steps[T]) -> T:
    """Make the calls with a boto3 client of HealthOmics, one after the other, and return what they came to."""
    return converse(lambda call: make(client, call), steps)


def converse(answer: Callable[[Call], Any], steps: Steps[T]) -> T:
    """Have the calls of a conversation answered, one after the other, and return what they came to.

    :param answer: makes one call; what it raises is thrown into the conversation.
    """
    try:
        call = next(steps)
        while True:
            try:
                answered = answer(call)
            except Exception as error:
                call = steps.throw(error)
            else:
                call = steps.send(answered)
    except StopIteration as end:
        result: T = end.value
        return result


async def aperform(client: Any, steps: Steps[T]) -> T:
    """Make the calls with an aiobotocore client of HealthOmics, and return what they came to."""
    return await aconverse(lambda call: getattr(client, xform_name(call.operation))(**call.members), steps)


async def aconverse(answer: Answer, steps: Steps[T]) -> T:
    """Have the calls of a conversation answered, one after the other, and return what they came to.

    :param answer: makes one call; what it raises is thrown into the conversation.
    """
    try:
        call = next(steps)
        while True:
            try:
                answered = await answer(call)
            except Exception as error:
                call = steps.throw(_named(error, call))
            else:
                call = steps.send(answered)
    except StopIteration as end:
        result: T = end.value
        return result


def list_pages(operation: str, take: Callable[[Mapping[str, Any]], bool | None], **members: Any) -> Steps[None]:
    """Go through the pages of a list operation.

    :param take: gets each page's answer; True stops the listing.
    """
    token: str | None = None
    while True:
        more = {"startingToken": token} if token else {}
        answer: Mapping[str, Any] = yield Call(operation, {**members, **more})
        token = answer.get("nextToken")
        if take(answer) or not token:
            return


def failed_operation(error: BaseException) -> str | None:
    """Return the API name of the operation whose call raised an error, as far as the error tells."""
    return getattr(error, "operation_name", None)


def _named(error: Exception, call: Call) -> Exception:
    # The service's own errors name their operation; an error on the way to the service does not.
    if isinstance(error, BotoCoreError):
        error.operation_name = call.operation  # type: ignore[attr-defined]
    return error
