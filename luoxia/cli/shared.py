"""Options that several commands have in common, as one dataclass of them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def unfolded(command: Callable[..., Any]) -> Callable[..., Any]:
    """``command`` for typer: a parameter whose type is a dataclass is given by its fields, each one an option.

    The fields are declared as parameters are, ``name: Annotated[type, Option(...)]``, and stand where the parameter
    stood; its default, an instance, has theirs.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            groups[parameter.name] = kind
            of = get_type_hints(kind, include_extras=True)
            flat += [_keyword(name, getattr(parameter.default, name), of[name]) for name in of]
        else:
            flat.append(_keyword(parameter.name, parameter.default, kind))

    @functools.wraps(command)
    def called(**given: Any) -> Any:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
        return command(**given)

    called.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return called


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
