"""DexYCB (Chao et al., CVPR 2021).

Source: ``dex_ycb_toolkit/dex_ycb.py``, ``hpe_eval.py`` and ``examples/visualize_pose.py`` of
github.com/NVlabs/dex-ycb-toolkit.

    20200709-subject-01/20200709_141754/meta.yml
    20200709-subject-01/20200709_141754/836212060125/color_000000.jpg  .../labels_000000.npz
    calibration/intrinsics/836212060125_640x480.yml

- A person's folder is known by its date, as first releases had names of people after it (the toolkit of that time).
- Joints: ``joint_3d`` (1 x 21 x 3) of MANO as manopth gives them, so our own order; fingertips are manopth's vertices.
  Frames whose joints are all -1 have no hand and are left out, as the toolkit does.
- Units: metres, frame of the colour camera; K from ``fx, fy, ppx, ppy`` under ``color``.
- Handedness: ``mano_sides`` of each sequence's ``meta.yml``.
- Splits: the toolkit's four setups (s0 seen everything, s1 new people, s2 new views, s3 new objects), each with train,
  val and test; ``test`` is s0_test, ``adapt`` s0_train. A sequence's place among the 100 of a person decides its split,
  so a person's folder that is not complete is refused.
- Pose parameters (``pose_m``: PCA of 45 components, MANO's mean added) are not read.

Not confirmed, as the documentation is silent: whether pixel (0, 0) has its centre at 0 (taken) or at 0.5.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

import numpy as np
import yaml

from dualmod.data.reader import ALL_JOINTS, HandLabel, Reader, intrinsics, projected
from synth.common.conventions import LEFT, NUM_JOINTS, RIGHT
from synth.hand import to_ours

SUBJECTS = (
    "20200709-subject-01", "20200813-subject-02", "20200820-subject-03", "20200903-subject-04", "20200908-subject-05",
    "20200918-subject-06", "20200928-subject-07", "20201002-subject-08", "20201015-subject-09", "20201022-subject-10",
)  # fmt: skip
"""People's folders in the current release; each has a date of its own."""
SERIALS = (
    "836212060125", "839512060362", "840412060917", "841412060263",
    "932122060857", "932122060861", "932122061900", "932122062010",
)  # fmt: skip
NUM_SEQUENCES = 100
NO_HAND = -1


class Layout(Reader):
    """DexYCB."""

    page = "https://dex-ycb.github.io/"
    licence = "CC BY-NC 4.0"
    definition = "joints and fingertip vertices of a MANO fit (manopth's); hands hold objects"
    splits: ClassVar[dict[str, str]] = {
        **{"test": "s0_test", "train": "s0_train", "adapt": "s0_train", "val": "s0_val"},
        **{f"{s}_{p}": f"{s}_{p}" for s in ("s0", "s1", "s2", "s3") for p in ("train", "val", "test")},
    }

    def images(self, split: str) -> list[Path]:
        return [path for sequence, serial in self._views(split) for path in self._frames(f"{sequence}/{serial}")]

    def labels(self, split: str) -> Iterator[HandLabel]:
        cameras: dict[str, np.ndarray] = {}
        sides: dict[str, str] = {}
        for sequence, serial in self._views(split):
            if serial not in cameras:
                cameras[serial] = self._K(serial)
            if sequence not in sides:
                sides[sequence] = self._handedness(f"{sequence}/meta.yml")
            for image in self._frames(f"{sequence}/{serial}"):
                file = image.relative_to(self.path).as_posix()
                joints_cam = self._joints(file.replace("color_", "labels_").replace(".jpg", ".npz"))
                if not (joints_cam == NO_HAND).all():
                    K, side = cameras[serial], sides[sequence]
                    joints_px = projected(joints_cam, K)
                    yield HandLabel(file, joints_px, ALL_JOINTS, side, joints_cam, K, block=sequence)

    def _views(self, split: str) -> Iterator[tuple[str, str]]:
        """Sequence and serial number of the camera, in the toolkit's order."""
        setup, _, part = self.native(split).partition("_")
        subjects, serials, places = split_indices(setup, part)
        for subject in (SUBJECTS[i] for i in subjects):
            folder = self._person(subject)
            found = sorted(p.name for p in (self.path / folder).iterdir() if p.is_dir())
            if len(found) != NUM_SEQUENCES:
                raise FileNotFoundError(
                    f"{self.entry}: {folder} has {len(found)} of {NUM_SEQUENCES} sequences, and their order makes the "
                    f"splits; download it again from {self.page}"
                )
            for place in places:
                for serial in serials:
                    yield f"{folder}/{found[place]}", SERIALS[serial]

    def _person(self, subject: str) -> str:
        """The folder of a person, whatever stands after the date."""
        date, _, _ = subject.partition("-")
        found = sorted(p.name for p in self.path.glob(f"{date}-*") if p.is_dir())
        if not found:
            raise FileNotFoundError(
                f"{self.entry} lacks the folder {subject}; unpack {subject}.tar.gz of {self.page} there"
            )
        return subject if subject in found else found[0]

    def _frames(self, folder: str) -> list[Path]:
        return self.image_files(folder, "color_*.jpg")

    def _joints(self, file: str) -> np.ndarray:
        try:
            with np.load(self.require(file), allow_pickle=False) as archive:
                joints = archive["joint_3d"]
        except (KeyError, ValueError, EOFError, BadZipFile) as error:
            raise self.damaged(file, str(error)) from error
        return to_ours(self.array(joints, (1, NUM_JOINTS, 3), file)[0], "dexycb")

    def _handedness(self, file: str) -> str:
        side = self._yaml(file, "mano_sides")
        if not isinstance(side, list) or side[:1] not in ([LEFT], [RIGHT]):
            raise self.damaged(file, f"mano_sides is {side}, not left or right")
        return side[0]

    def _K(self, serial: str) -> np.ndarray:
        file = f"calibration/intrinsics/{serial}_640x480.yml"
        color = self._yaml(file, "color")
        try:
            return intrinsics(*(float(color[key]) for key in ("fx", "fy", "ppx", "ppy")))
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged(file, f"no intrinsics of the colour camera: {error}") from error

    def _yaml(self, file: str, key: str) -> Any:
        try:
            content = yaml.safe_load(self.require(file).read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise self.damaged(file, " ".join(str(error).split())) from error
        if not isinstance(content, dict) or key not in content:
            raise self.damaged(file, f"it has no {key}")
        return content[key]


def split_indices(setup: str, part: str) -> tuple[list[int], list[int], list[int]]:
    """Indices of people, cameras and sequences of a person (the toolkit's ``DexYCBDataset``)."""
    people, cameras, sequences = list(range(len(SUBJECTS))), list(range(len(SERIALS))), list(range(NUM_SEQUENCES))
    if setup == "s0":
        people = {"train": people, "val": [0, 1], "test": [2, 3, 4, 5, 6, 7, 8, 9]}[part]
        sequences = [i for i in sequences if (i % 5 == 4) != (part == "train")]
    elif setup == "s1":
        people = {"train": [0, 1, 2, 3, 4, 5, 9], "val": [6], "test": [7, 8]}[part]
    elif setup == "s2":
        cameras = {"train": [0, 1, 2, 3, 4, 5], "val": [6], "test": [7]}[part]
    else:
        held_out = {"train": (3, 7, 11, 15, 19), "val": (3, 19), "test": (7, 11, 15)}[part]
        sequences = [i for i in sequences if (i // 5 in held_out) != (part == "train")]
    return people, cameras, sequences
