"""All renderers by name, for tests that each of them has to pass."""

from typing import Any

import pytest

from synth.common.optional import MissingPartError
from synth.render import RENDERERS, get_renderer

NAMES = tuple(RENDERERS)


def make(name: str, **options: Any) -> Any:
    """A renderer, or a skipped test where it cannot work."""
    try:
        return get_renderer(name)(**options)
    except MissingPartError as error:
        pytest.skip(str(error))
