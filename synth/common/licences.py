"""Terms that go along with renders, and with the networks that learned from them, as lines of text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.common.nested import flat

POSED_BY = {
    "lbs": "skinning=lbs: the hands were posed with handbridge's own linear blend skinning (Apache-2.0)",
    "smplx": "skinning=smplx: the hands were posed with smplx, whose licence is for non-commercial purposes only and "
    "excludes the training of networks for commercial use",
}
BEFORE_LBS = "smplx"
"""What posed the hands of datasets whose config names no skinning: generator version 4 and older."""
FOLDER_KEYS = ("_dir", "_file", "_folder")
TOLD = "terms"
"""Option of ``generate`` under which a user tells the terms of a folder."""
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
    told = config.get(TOLD, {})
    for key, value in users_folders(config):
        notes.append(terms_of_folders(key, value, told.get(short_key(key), "")))
    return notes


def users_folders(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options that name a user's folder or file, and what they name."""
    for key, value in flat(config):
        is_users = key in ("hand", "skins") or key.endswith(FOLDER_KEYS)
        if is_users and not key.startswith(f"{TOLD}.") and value not in ("", "open"):
            yield key, str(value)


def short_key(key: str) -> str:
    """The last part of an option's name, under which ``terms`` knows it: ``hdr_dir`` of ``scene.light.hdr_dir``."""
    return key.rpartition(".")[2]


def terms_of_folders(key: str, folders: str, told: str = "") -> str:
    """Terms of a user's folders, as far as they were told, with their names alone.

    Args:
        key: The option.
        folders: Its value, with commas between.
        told: Their terms in the user's words; empty if nothing is known of them.
    """
    names = ",".join(Path(part.strip()).name for part in folders.split(","))
    return f"{key}={names}: {f'{told} (as the user told)' if told else OWN_TERMS}"
