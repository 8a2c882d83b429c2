"""The manifest of a dataset: what made it, what its numbers mean, and which shards it has."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth.common.conventions import DEPTH_STEP_M, JOINT_NAMES, PART_NAMES
from synth.common.files import require_folder, written_atomically

FORMAT_VERSION = 1
GENERATOR_VERSION = 5
"""Goes up whenever the same seed and index make other bytes."""
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class ShardEntry:
    """One shard: ``first_index`` is the index of its first sample."""

    name: str
    first_index: int
    num_samples: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` holds.

    Attributes:
        format_version: Version of the layout on disk.
        generator_version: Version of what the seed is turned into.
        config: The resolved config, without what doesn't change the result.
        hand_model: Name of the hand model.
        licence_notes: Licences of the hand model and of what was drawn on it.
        depth_step_m: Metres per step of the depth images.
        part_names: Meaning of the segmentation's ids.
        joint_names: Order of the joints.
        num_samples: Samples in all shards.
        shards: The shards in the order of their samples.
        depth_unit: Unit of ``depth_step_m``.
        depth_invalid: Value in the depth images of a pixel without a measurement.
        fingertip_vertices: Vertices of the hand model's mesh that are its fingertips, thumb to little finger; empty in
            datasets that were made before this was noted.
        gesture_views: Gesture -> view as the samples name it -> share of the gesture's images that was asked for; empty
            in datasets that were made before this was noted.
    """

    format_version: int
    generator_version: int
    config: dict[str, Any]
    hand_model: str
    licence_notes: list[str]
    depth_step_m: float
    part_names: list[str]
    joint_names: list[str]
    num_samples: int
    shards: list[ShardEntry]
    depth_unit: str = "metre"
    depth_invalid: int = 0
    fingertip_vertices: list[int] = field(default_factory=list)
    gesture_views: dict[str, dict[str, float]] = field(default_factory=dict)


def new_manifest(
    config: dict[str, Any],
    hand_model: str,
    licence_notes: list[str],
    shards: list[ShardEntry],
    fingertip_vertices: Iterable[int] = (),
    gesture_views: Mapping[str, Mapping[str, float]] | None = None,
) -> Manifest:
    """A manifest in today's versions and conventions."""
    return Manifest(
        format_version=FORMAT_VERSION,
        generator_version=GENERATOR_VERSION,
        config=config,
        hand_model=hand_model,
        licence_notes=licence_notes,
        depth_step_m=DEPTH_STEP_M,
        part_names=list(PART_NAMES),
        joint_names=list(JOINT_NAMES),
        num_samples=sum(s.num_samples for s in shards),
        shards=shards,
        fingertip_vertices=[int(vertex) for vertex in fingertip_vertices],
        gesture_views={gesture: dict(shares) for gesture, shares in (gesture_views or {}).items()},
    )


def write_manifest(data: str | Path, manifest: Manifest) -> None:
    """Write ``manifest.json``; the dataset is complete from then on."""
    with written_atomically(Path(data) / MANIFEST_FILE) as partial:
        partial.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")


def read_manifest(data: str | Path) -> Manifest:
    """The manifest of the dataset in folder ``data``.

    Raises:
        FileNotFoundError: when the folder or its manifest is missing.
        ValueError: when the manifest cannot be read or is of another format version.
    """
    file = require_folder(data, "data") / MANIFEST_FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"data={data} holds no {MANIFEST_FILE}; finish it with handbridge generate out={data} or choose another"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        shards = [ShardEntry(**entry) for entry in content.pop("shards")]
        manifest = Manifest(shards=shards, **content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file} is no manifest of a dataset ({error}); generate the dataset anew") from error
    if manifest.format_version != FORMAT_VERSION:
        raise ValueError(
            f"{file} has format version {manifest.format_version}, this is version {FORMAT_VERSION}; "
            f"generate the dataset anew"
        )
    return manifest
