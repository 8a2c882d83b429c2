"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Version of the installed package."""
    try:
        return version("handbridge")
    except PackageNotFoundError:
        return "0 (not installed)"
