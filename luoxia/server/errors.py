"""What the server itself refuses, each with its HTTP status and the code that programs look at."""

from __future__ import annotations

from luoxia.core.errors import UserError


class RequestError(UserError):
    status = 400
    code: str | None = None


class BusyError(RequestError):
    """Too many requests wait already."""

    status, code = 503, "busy"


class StoppingError(RequestError):
    """The server is going down."""

    status, code = 503, "stopping"


class ForeignError(RequestError):
    """The request comes from where none may come from."""

    status, code = 403, "foreign_request"


class NotJsonError(RequestError):
    """A body that does not say it is JSON."""

    status, code = 415, "not_json"


class TooLargeError(RequestError):
    status, code = 413, "body_too_large"


class TooSlowError(RequestError):
    status, code = 408, "body_too_slow"


class NoStudioError(RequestError):
    """The studio's pages are not in this installation."""

    status, code = 503, "no_studio"


class NotFoundError(RequestError):
    """Something that was made in this session and is not there any more, or never was."""

    status, code = 404, "not_found"
