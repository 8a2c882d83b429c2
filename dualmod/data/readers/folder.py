"""A folder of photographs, one hand in each: a target, without labels. ``target=PATH`` is short for it.

All images below the folder in the order of their paths; JPEG, PNG, WebP, BMP and TIFF. There is one split.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dualmod.data.reader import HandLabel, Reader


class Layout(Reader):
    """A folder of photographs."""

    page = "nowhere: it is a folder of your own"
    licence = "yours"
    definition = "no labels"
    kind = ""
    splits: ClassVar[dict[str, str]] = {"adapt": "adapt"}

    def images(self, split: str) -> list[Path]:
        self.native(split)
        return self.image_files(".")

    def labels(self, split: str) -> Iterator[HandLabel]:
        raise ValueError(f"{self.entry} has no labels to measure against; it serves as target=")
