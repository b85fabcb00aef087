"""What goes wrong by the user's hand or machine: one line each, and an exit code.

Exit codes: 1 data or run-time error, 2 usage or recipe, 130 interrupted, 143 terminated.
A traceback reaches the user only for an exception that is not one of these.
"""

import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: where it is, what was expected and found, what to do about it."""

    text: str
    where: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cure = f" ({self.hint})" if self.hint else ""
        return " ".join(f"{place}{self.text}{cure}".split())


class UserError(Exception):
    """A fault the user can mend. ``str(error)`` is always one line."""

    exit_code = 1

    def __init__(self, problem: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(problem)
        self.problems = [Problem(problem, where, hint)]

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


class DataError(UserError):
    """An input file that does not say what it should."""


class UsageError(UserError):
    """A command line that cannot be followed."""

    exit_code = 2


class RecipeError(UserError):
    """Everything that is wrong in a recipe, at once, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        if not problems:
            raise ValueError("a RecipeError needs at least one problem")
        Exception.__init__(self, str(problems[0]))
        self.problems = list(problems)


class Interrupted(Exception):
    """SIGINT or SIGTERM arrived; the step was finished and the state saved."""

    def __init__(self, signum: int, message: str = "") -> None:
        super().__init__(message or f"stopped by {signal.Signals(signum).name}")
        self.signum = signum
        self.exit_code = 128 + signum
