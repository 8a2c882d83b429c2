"""Nested options and their full keys."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat(options: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Options by their full keys, with dots; an empty mapping has none.

    Args:
        options: Mappings within mappings.
        above: What stands before each key.
    """
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
