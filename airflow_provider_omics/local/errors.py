"""The errors that the HealthOmics API declares, as exceptions that the wire turns into HTTP answers."""

from __future__ import annotations


class ServiceError(Exception):
    """An error answer of the API.

    :param code: the error's shape name, such as ``ValidationException``.
    :param message: the text that the caller sees.
    :param http_status: status of the HTTP answer.
    """

    code: str = "InternalServerException"
    http_status: int = 500

    def __init__(self, message: str, *, code: str | None = None, http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.http_status = http_status or self.http_status


class ValidationException(ServiceError):
    code, http_status = "ValidationException", 400


class ServiceQuotaExceededException(ServiceError):
    code, http_status = "ServiceQuotaExceededException", 402


class AccessDeniedException(ServiceError):
    code, http_status = "AccessDeniedException", 403


class ResourceNotFoundException(ServiceError):
    code, http_status = "ResourceNotFoundException", 404


class RequestTimeoutException(ServiceError):
    code, http_status = "RequestTimeoutException", 408


class ConflictException(ServiceError):
    code, http_status = "ConflictException", 409


class ThrottlingException(ServiceError):
    code, http_status = "ThrottlingException", 429


class InternalServerException(ServiceError):
    code, http_status = "InternalServerException", 500


_STATUSES = {kind.code: kind.http_status for kind in ServiceError.__subclasses__()}


def error_of_code(code: str, message: str) -> ServiceError:
    """Return the error of a code that an assumption or a fault names; an unknown code answers HTTP 400."""
    return ServiceError(message, code=code, http_status=_STATUSES.get(code, 400))
