"""How well a network agrees with itself on unlabelled photographs.

Beside held-out renders it is all that a choice between networks may rest on: no label of a photograph enters.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from distill.monitoring.collapse import criterion
from distill.monitoring.health import Watch
from distill.targets.photos import SET, open_photos
from distill.targets.start_boxes import locate_hands
from distill.targets.views import TargetBatches, ViewsConfig
from dualmod.checkpoints.checkpoint import choose_device, load_network
from dualmod.checkpoints.released import pose_file
from dualmod.data.augment import AugmentConfig
from dualmod.data.synthetic import SyntheticHands, held_out_batches
from dualmod.inference.predictor import Predictor
from synth.common.config import check
from synth.common.files import open_run_folder, require_folder, written_atomically

CONSISTENCY_FILE = "consistency.json"


@dataclass
class ConsistencyConfig:
    """What to look at.

    Attributes:
        checkpoint: model.safetensors of pretrain or adapt.
        data: Dataset of renders; its held-out rows give the confidence that a photo is compared with.
        target: Folders of photos, or names of sets in ``target_root`` (their adapt rows), with commas.
        out: Folder for ``consistency.json``.
        target_root: Folder of the sets.
        photos: Photos to look at, each set as often as any other.
        seed: Seed of the photos and of their views.
        device: auto, cpu or cuda.
    """

    checkpoint: str
    data: str
    target: str
    out: str
    target_root: str = ""
    photos: int = 256
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check(self.photos > 1, "photos", self.photos, "2 or more")


def self_consistency(config: ConsistencyConfig) -> Path:
    """Write the label-free readings of a checkpoint and their disagreement over their spread; less is better.

    Raises:
        FileNotFoundError: when the checkpoint, the dataset or a folder of photos is missing.
        ValueError: when a target holds no image that can be read.
    """
    checkpoint = pose_file(config.checkpoint)
    hands = SyntheticHands(require_folder(config.data, "data"), cache_gb=0)
    photos = open_photos(config.target, config.target_root)
    out = open_run_folder(config.out, config, overwrite=False, free_keys=("device",))
    net = load_network(checkpoint)
    rng = np.random.default_rng([config.seed, 0, 3])
    photos = photos.rows(photos.draw(config.photos, SET, rng))
    located = locate_hands(Predictor(net, choose_device(config.device)), photos.images)
    augment = AugmentConfig(crop_px=net.config.image_size, crop_margin=net.config.crop_margin)
    views = ViewsConfig(num_views=1)
    batches = TargetBatches(photos, located, augment, batch_size=len(photos), seed=config.seed, views=views)
    batch, _ = batches.of_photos(np.arange(len(photos)), 0, rng)
    renders = next(
        held_out_batches(hands, crop_px=augment.crop_px, batch_size=config.photos, margin=augment.crop_margin)
    )
    readings = Watch(net, batch, renders.rgb.to(next(net.parameters()).device)).start
    with written_atomically(out / CONSISTENCY_FILE) as partial:
        partial.write_text(json.dumps({"criterion": criterion(readings), **asdict(readings)}, indent=2))
    return out / CONSISTENCY_FILE
