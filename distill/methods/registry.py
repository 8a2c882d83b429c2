"""From the command line's ``method=CHOICE`` to the options that this method has."""

import importlib
from collections.abc import Sequence

import yaml

from distill.methods.base import MethodOptions
from synth.common.config import CONFIG_ROOT, check

DEFAULT_CHOICE = "self_distillation"
FOLDER = CONFIG_ROOT / "adapt" / "method"


def choices() -> list[str]:
    """What ``method`` can be."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def chosen(overrides: Sequence[str]) -> str:
    """The method that the last ``method=CHOICE`` of ``overrides`` names, else the default one.

    Raises:
        ValueError: when there is no such method.
    """
    given = [value for key, _, value in (o.partition("=") for o in overrides) if key == "method"]
    choice = given[-1] if given else DEFAULT_CHOICE
    check(choice in choices(), "method", choice, f"one of {', '.join(choices())}")
    return choice


def options_class(choice: str) -> type[MethodOptions]:
    """The options of a choice: ``Options`` of the module that its YAML names."""
    name = yaml.safe_load((FOLDER / f"{choice}.yaml").read_text(encoding="utf-8"))["name"]
    return importlib.import_module(f"distill.methods.{name}").Options
