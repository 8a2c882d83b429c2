"""MediaPipe Hands on the test rows of real sets, in the layout of ``evaluate``: its numbers beside ours, one metric.

Each hand is cut out by the box that ``evaluate`` gives our network, at 320 px and with the released network's
margin about it; MediaPipe's own palm detector, landmark model and handedness run on the crop. A hand that it does not
find is a row of NaN, which ``evaluate`` counts as wrong. A fifth argument is another side of the crop over the box's.

    python3 -m venv rival && rival/bin/pip install mediapipe==0.10.21
    python benchmarks/rival/mediapipe_reference.py rival/bin/python ../shared/real ntu_real,ti1k runs/mediapipe.npz
    handbridge evaluate predictions=runs/mediapipe.npz root=../shared/real dataset=ntu_real,ti1k out=runs/eval_mediapipe

Labels of hagrid and sign_digits were made with MediaPipe, on images in which it had found a hand: there it is compared
with itself.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dualmod.checkpoints.checkpoint import load_network
from dualmod.checkpoints.released import RELEASED, pose_file
from dualmod.data.image_sets import LabelledImages, open_labelled
from dualmod.geometry.crop import apply_affine, box_crop_matrix, crop_image, crop_side_px, invert_affine, px_from_uv

WORKER = Path(__file__).with_name("mediapipe_hands.py")
CROP_PX = 320


def predict(python: str, labelled: LabelledImages, margin: float) -> dict[str, np.ndarray]:
    """MediaPipe's hands, in crops ``margin`` times the longer side of the box, as columns of ``predictions.npz``."""
    matrices = [box_crop_matrix(box, margin, CROP_PX) for box in labelled.boxes_px]
    images = zip(labelled.images, matrices, strict=True)
    crops = np.stack([crop_image(image, matrix, CROP_PX) for image, matrix in images])
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "crops.npz", Path(folder) / "found.npz"
        np.savez(given, crops=crops)
        subprocess.run([python, str(WORKER), "predict", str(given), str(found)], check=True, stderr=subprocess.DEVNULL)
        with np.load(found) as archive:
            arrays = dict(archive)
    crop_px = px_from_uv(arrays["joints_uv"], CROP_PX)
    joints_px = [apply_affine(invert_affine(matrix), joints) for matrix, joints in zip(matrices, crop_px, strict=True)]
    return {
        "files": np.array(labelled.files),
        "dataset": np.array([labelled.name] * len(labelled)),
        "joints_px": np.stack(joints_px),
        "joints_cam": arrays["joints_m"],
        "right_probability": arrays["right_probability"],
        "crop_sides_px": np.array([crop_side_px(box, margin) for box in labelled.boxes_px]),
    }


def main(python: str, root: str, datasets: str, out: str, margin: str = "") -> None:
    over_box = float(margin) if margin else load_network(pose_file(RELEASED)).config.crop_margin
    parts = [predict(python, open_labelled(root, name), over_box) for name in datasets.split(",")]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, allow_pickle=False, **columns)
    missed = int(np.isnan(columns["right_probability"]).sum())
    print(f"{out}: {len(columns['files'])} hands, {missed} of them not found")


if __name__ == "__main__":
    main(*sys.argv[1:])
