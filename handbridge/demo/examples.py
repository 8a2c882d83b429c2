"""Pictures to try the page with: hands of our own generator, since photographs of people are not ours to ship."""

from pathlib import Path

import cv2
import numpy as np

from synth.dataset.sample import HandSample
from synth.generate import GenerateConfig, maker_settings
from synth.generation.sample_maker import SampleMaker
from synth.scene.scene import SceneOptions

SIDE_PX = 448
SEED = 7
"""Chosen by eye among a few; of its renders the first that qualify are taken."""
LEAST_VISIBLE = 17
LEAST_BRIGHTNESS = 70
MOST_DRAWN = 60


def rendered_examples(folder: Path, count: int) -> list[Path]:
    """``count`` rendered hands as PNG files in ``folder``, half of them as left hands.

    A picture is taken in turn if it is not dark, all joints lie inside it and most are seen, as in a photo that one
    would take on purpose.
    """
    if not count:
        return []
    plain = SceneOptions(photo_edge_share=0, occluder_share=0, second_hand_share=0)
    maker = SampleMaker(maker_settings(GenerateConfig(out=str(folder), image_size=SIDE_PX, scene=plain)), SEED)
    files: list[Path] = []
    for sample in maker.samples(0, MOST_DRAWN):
        if _is_on_purpose(sample):
            file = folder / f"render-{sample.index:02d}.png"
            image = sample.rgb[:, ::-1] if len(files) % 2 else sample.rgb
            cv2.imwrite(str(file), np.ascontiguousarray(image[..., ::-1]))
            files.append(file)
        if len(files) == count:
            break
    return files


def _is_on_purpose(sample: HandSample) -> bool:
    inside = (sample.joints_px >= 0).all() and (sample.joints_px < SIDE_PX).all()
    return bool(inside and sample.visible.sum() >= LEAST_VISIBLE and sample.rgb.mean() >= LEAST_BRIGHTNESS)
