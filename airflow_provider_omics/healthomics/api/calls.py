"""Sans-I/O requests: what is asked of the API, and what follows from the answers, written once for all processes.

A generator yields requests and is sent their answers; :func:`run_sync` makes them with boto3, :func:`run_with` and
:func:`run_async` with whatever answers. An error of a request is thrown into the generator, which may handle it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, PaginationError

from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize

T = TypeVar("T")

PAGE_SIZE = 100
"""Most items of a page of any list operation."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call to be made.

    :param operation: the operation's API name, such as ``GetBatch``.
    :param members: the request, by the API's names.
    """

    operation: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question(Request):
    """A question that is not for HealthOmics, asked in the middle of a conversation.

    :param ask: answers it, and may block.
    :param aask: answers it without blocking the event loop.
    """

    ask: Callable[[], Any]
    aask: Callable[[], Awaitable[Any]]


Requests = Generator[Request, Any, T]
Answer = Callable[[Request], Awaitable[Any]]


def send(client: Any, request: Request) -> Any:
    """Make one call with a boto3 client of HealthOmics; an error of the way to the service names its operation."""
    if isinstance(request, Question):
        return request.ask()
    try:
        return getattr(client, xform_name(request.operation))(**request.members)
    except Exception as error:
        raise _with_operation(error, request)  # noqa: B904 - it is the same error


def run_sync(client: Any, requests: Requests[T]) -> T:
    """Make the calls with a boto3 client of HealthOmics, one after the other, and return what they came to."""
    return run_with(lambda request: send(client, request), requests)


def run_with(answer: Callable[[Request], Any], requests: Requests[T]) -> T:
    """Have the calls of a conversation answered, one after the other, and return what they came to.

    :param answer: makes one call; what it raises is thrown into the conversation.
    """
    try:
        request = next(requests)
        while True:
            try:
                answered = answer(request)
            except Exception as error:
                request = requests.throw(error)
            else:
                request = requests.send(answered)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(answer: Answer, requests: Requests[T]) -> T:
    """Have the calls of a conversation answered, one after the other, and return what they came to.

    :param answer: makes one call; what it raises is thrown into the conversation.
    """
    try:
        request = next(requests)
        while True:
            try:
                answered = await answer(request)
            except Exception as error:
                request = requests.throw(_with_operation(error, request))
            else:
                request = requests.send(answered)
    except StopIteration as end:
        result: T = end.value
        return result


def one_request(operation: str, members: Mapping[str, Any]) -> Requests[Any]:
    """Make one call, and return its answer."""
    return (yield Request(operation, members))


def or_none(requests: Requests[T]) -> Requests[T | None]:
    """Make requests, and return None if the service does not know what they are about."""
    try:
        return (yield from requests)
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return None
        raise


def list_pages(operation: str, take: Callable[[Mapping[str, Any]], bool | None], **members: Any) -> Requests[None]:
    """Go through the pages of a list operation.

    :param take: gets each page's answer; True stops the listing.
    :raises PaginationError: a page leads to itself, so that the list has no end.
    """
    token: str | None = None
    while True:
        more = {"startingToken": token} if token else {}
        answer: Mapping[str, Any] = yield Request(operation, {**members, **more})
        before, token = token, answer.get("nextToken")
        if take(answer) or not token:
            return
        if token == before:
            endless = PaginationError(message=f"the page after {token!r} is that page again")
            raise _with_operation(endless, Request(operation, members))


def list_items(operation: str, member: str, **members: Any) -> Requests[list[Mapping[str, Any]]]:
    """Return the items of all pages of a list operation, of which there are few enough to hold.

    :param member: what answers call them, such as ``items``.
    """
    items: list[Mapping[str, Any]] = []
    yield from list_pages(operation, lambda page: items.extend(page.get(member) or ()), **members)
    return items


def failed_operation(error: BaseException) -> str | None:
    """Return the API name of the operation whose call raised an error, as far as the error tells."""
    return getattr(error, "operation_name", None)


def _with_operation(error: Exception, request: Request) -> Exception:
    # The service's own errors name their operation; an error on the way to the service does not.
    if isinstance(error, BotoCoreError):
        error.operation_name = request.operation  # type: ignore[attr-defined]
    return error
