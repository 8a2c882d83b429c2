"""Terms that go along with renders, and with the networks that learned from them, as lines of text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

POSED_BY = {
    "lbs": "skinning=lbs: the hands were posed with handbridge's own linear blend skinning (Apache-2.0)",
    "smplx": "skinning=smplx: the hands were posed with smplx, whose licence is for non-commercial purposes only and "
    "excludes the training of networks for commercial use",
}
BEFORE_LBS = "smplx"
"""What posed the hands of datasets whose config names no skinning: generator version 4 and older."""
FOLDER_KEYS = ("_dir", "_file", "_folder")
OWN_TERMS = "under its own terms, which are not known here; so is what shows it or learned from it"


def terms_of_renders(hand_licence: str, config: Mapping[str, Any]) -> list[str]:
    """Terms of the hand, and of all that is seen with it."""
    return [f"hand model: {hand_licence}", *terms_of_scene(config)]


def terms_of_scene(config: Mapping[str, Any]) -> list[str]:
    """Terms of all that is seen with the hand, as far as the options of ``generate`` tell.

    Of a user's folder the name alone is said, not where it lies.
    """
    notes = [POSED_BY[config.get("skinning", BEFORE_LBS)]]
    if not config.get("skins"):
        notes.append("skins: the shipped ones, painted by a program of handbridge (Apache-2.0)")
    if not config.get("background_dir"):
        notes.append("backgrounds: painted by the program")
    for key, value in flat(config):
        is_users = key in ("hand", "skins") or key.endswith(FOLDER_KEYS)
        if is_users and value not in ("", "open"):
            notes.append(terms_of_folders(key, str(value)))
    return notes


def terms_of_folders(key: str, folders: str) -> str:
    """Terms of a user's folders, with commas between, given as ``key``; of each the name alone is said."""
    return f"{key}={','.join(Path(part.strip()).name for part in folders.split(','))}: {OWN_TERMS}"


def flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Options of a nested config by their names with dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
