"""What a user can cause, said in one line: what was wrong, where, and what to do."""

from __future__ import annotations

from luoxia.core.language import Text


class UserError(ValueError):
    """A failure that the user can mend. ``str()`` is one line in the user's language."""

    def __init__(self, en: str, zh: str) -> None:
        self.text = Text(" ".join(en.split()), " ".join(zh.split()))
        super().__init__(self.text.en)

    def __str__(self) -> str:
        return str(self.text)


def unreadable(place: object, error: OSError) -> UserError:
    """Of a file that the system does not let be read: which, and the system's reason."""
    reason = error.strerror or type(error).__name__
    return UserError(f"{place} cannot be read ({reason})", f"无法读取 {place}（{reason}）")


class UnknownModelError(UserError):
    """No catalogue entry or folder of that name."""


class ModelNotHereError(UserError):
    """The catalogue knows the model, its files are not on this machine."""


class FetchError(UserError):
    """A file could not be brought, or is not what the catalogue says it is."""


class MalformedFileError(UserError):
    """A weights file that cannot be read as what it claims to be."""


class ContextError(UserError):
    """The prompt does not fit into the model's context."""


class ConstraintError(UserError):
    """A schema, regular expression or list of choices that no text can meet."""


class RefusedError(UserError):
    """A prompt or a picture that the safety gate does not let pass."""
