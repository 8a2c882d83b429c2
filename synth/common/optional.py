"""Parts that not every machine has: one way to import them, and one line that says what to install."""

import importlib
from typing import Any


class MissingPartError(ImportError, ValueError):
    """A package or a system library is not there. The message is one line with what to install; as a ``ValueError`` it
    reaches the user of a command as that line alone."""


def import_optional(module: str, *, wanted_by: str, mend: str) -> Any:
    """Import a module of an optional package, or of one that loads system libraries.

    Args:
        module: Its full name.
        wanted_by: What the user asked for, as on the command line (``renderer=opengl``).
        mend: The line that installs it (``install_extra``, ``install_packages``).

    Raises:
        MissingPartError: when it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, AttributeError) as error:  # PyOpenGL without its library ends in AttributeError
        raise missing_part(module, error, wanted_by=wanted_by, mend=mend) from error


def missing_part(what: str, error: Exception, *, wanted_by: str, mend: str) -> MissingPartError:
    """The error for a part that is missing or does not work, in one line."""
    reason = " ".join(f"{type(error).__name__} {error}".split())
    return MissingPartError(f"{wanted_by} needs {what}, which does not work here ({reason}); {mend}")


def install_extra(extra: str) -> str:
    """The line that installs an extra of this project."""
    return f"pip install 'handbridge[{extra}]'"


def install_packages(*packages: str) -> str:
    """The line that installs Debian packages."""
    return f"apt-get install -y {' '.join(packages)}"
