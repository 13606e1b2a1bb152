"""Every failure as one line in OpenAI's error shape, in the reader's language."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luoxia.core import language
from luoxia.core.errors import (
    ConstraintError,
    ContextError,
    ModelNotHereError,
    RefusedError,
    UnknownModelError,
    UserError,
)
from luoxia.core.language import Text
from luoxia.server.errors import RequestError
from luoxia.server.schemas import ErrorAnswer, ErrorDetail

log = logging.getLogger("luoxia.server")

# error -> HTTP status, the code that programs look at, the field it is about
KINDS: dict[type[UserError], tuple[int, str | None, str | None]] = {
    UnknownModelError: (404, "model_not_found", "model"),
    ModelNotHereError: (409, "model_not_here", "model"),
    ContextError: (400, "context_length_exceeded", None),
    ConstraintError: (400, "invalid_constraint", None),
    RefusedError: (400, "content_policy_violation", None),
}

STATUSES = {
    404: Text("There is nothing at this address", "此地址没有内容"),
    405: Text("This address does not take that method", "此地址不支持该请求方法"),
    400: Text("The body could not be read as JSON", "请求正文不是可读的 JSON"),
}

HEADERS = {
    403: {"Connection": "close"},  # nobody reads the rest of the body
    408: {"Connection": "close"},
    409: {"X-Should-Retry": "false"},  # OpenAI's clients would, by themselves
    413: {"Connection": "close"},
    415: {"Connection": "close"},
    503: {"Retry-After": "2"},
}

INTERNAL = Text(
    "Something went wrong inside Luoxia; the server's log says where", "Luoxia 内部出错，服务器日志中有位置"
)

WRONG = {  # pydantic's kind of error -> what to say of the field
    "missing": Text("is missing", "缺失"),
    "json_invalid": Text("is not JSON", "不是 JSON"),
    "int_type": Text("must be a whole number", "必须是整数"),
    "float_type": Text("must be a number", "必须是数字"),
    "bool_type": Text("must be true or false", "必须是 true 或 false"),
    "string_type": Text("must be text", "必须是文本"),
    "string_unicode": Text("is not valid Unicode", "不是有效的 Unicode 文本"),
    "list_type": Text("must be a list", "必须是列表"),
    "dict_type": Text("must be an object", "必须是对象"),
    "model_type": Text("must be an object", "必须是对象"),
    "model_attributes_type": Text("must be an object", "必须是对象"),
    "finite_number": Text("must be a finite number", "必须是有限的数"),
    "greater_than": Text("must be more than {gt}", "必须大于 {gt}"),
    "greater_than_equal": Text("must be at least {ge}", "不能小于 {ge}"),
    "less_than_equal": Text("must be at most {le}", "不能大于 {le}"),
    "too_long": Text("has more than {max_length} elements", "超过 {max_length} 项"),
    "too_short": Text("has fewer than {min_length} elements", "少于 {min_length} 项"),
    "string_too_long": Text("is longer than {max_length} characters", "超过 {max_length} 个字符"),
    "string_too_short": Text("is shorter than {min_length} characters", "少于 {min_length} 个字符"),
    "literal_error": Text("must be {expected}", "必须是 {expected}"),
    "union_tag_invalid": Text(
        "has a type that is none of {expected_tags}", "的 type 不是 {expected_tags} 之一"
    ),
    "union_tag_not_found": Text("needs a type", "缺少 type"),
    "not_supported": Text("is not supported", "不受支持"),
    "text_parts": Text("takes text parts only", "只接受文本片段"),
    "square_size": Text(
        "must be auto or a square of {ge} to {le} pixels, like 512x512",
        "必须是 auto 或边长 {ge} 到 {le} 像素的正方形，如 512x512",
    ),
    "one_streamed": Text("streams one picture: leave n out", "流式输出一次只有一张图片：请省略 n"),
    "layers_order": Text("ends before it begins", "的终点在起点之前"),
    "too_deep": Text("is nested more than {depth} levels deep", "嵌套超过 {depth} 层"),
    "empty_prompt": Text("asks for nothing: write something", "没有内容：请写点什么"),
    "one_constraint": Text(
        "takes one of response_format, guided_regex and guided_choice, not several",
        "只能使用 response_format、guided_regex 与 guided_choice 中的一个",
    ),
}


def reader_language(accepted: str) -> str:
    """``"en"`` or ``"zh"``, by an ``Accept-Language`` header; the server's own where it names neither."""
    best, chosen = 0.0, language.current()
    for item in accepted[:1000].lower().split(","):
        tag, _, weight = item.strip().partition(";")
        known = next((name for name in language.LANGUAGES if tag.split("-")[0] == name), None)
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if known and best < quality <= 1:
            best, chosen = quality, known
    return chosen


def describe(error: Exception, reader: str) -> tuple[int, ErrorDetail]:
    """The HTTP status and the body of an exception that reached a request."""
    status, code, param, text = 500, "internal", None, INTERNAL
    match error:
        case RequestError():
            status, code, text = error.status, error.code, error.text
        case UserError():
            known = next((kind for kind in KINDS if isinstance(error, kind)), None)
            status, code, param = KINDS[known] if known else (400, None, None)
            text = error.text
        case RequestValidationError():
            status, code = 400, None
            param, text = _wrong_field(error.errors()[0])
        case HTTPException():
            status, code = error.status_code, None
            text = STATUSES.get(status, Text(error.detail, error.detail))
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return status, ErrorDetail(message=text.in_(reader), type=kind, param=param, code=code)


def refuse(error: Exception, accept_language: str) -> JSONResponse:
    """The answer to a request that failed."""
    status, detail = describe(error, reader_language(accept_language))
    headers = HEADERS.get(status, {})
    if isinstance(error, HTTPException):
        headers = headers | dict(error.headers or {})
    return JSONResponse(ErrorAnswer(error=detail).model_dump(), status_code=status, headers=headers)


def log_unexpected(error: BaseException) -> None:
    """Log the kind and the place of what no user caused, without its message: that may quote a prompt."""
    if isinstance(error, UserError):
        return
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s\n%s", type(error).__name__, frames.rstrip())


def install(app: FastAPI) -> None:
    """Answer what users cause where it is raised, and everything else before the server prints it."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return refuse(error, request.headers.get("accept-language", ""))

    for kind in (UserError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)
    app.add_middleware(LastResort)


class LastResort:
    """ASGI middleware: what nobody expected becomes one line for the client and a place in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            log_unexpected(error)
            if scope["type"] == "http" and not started:
                accepted = Headers(scope=scope).get("accept-language", "")
                await refuse(error, accepted)(scope, receive, send)


def _wrong_field(error: dict[str, Any]) -> tuple[str, Text]:
    place = error["loc"][:1] if error["type"] == "json_invalid" else error["loc"][1:] or error["loc"]
    name = ".".join(str(step)[:50] for step in place)
    words = WRONG.get(error["type"], Text("is not valid", "无效"))
    context = error.get("ctx", {})
    return name, Text(*(f"{name} {words.in_(tongue).format(**context)}" for tongue in language.LANGUAGES))
