"""One photograph through the networks: where the hands are, what each network says of them, and how long it took."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dualmod.detection.detector import HandBox
from dualmod.geometry.lifting import TYPICAL_BONE_M, assumed_K, lift
from dualmod.inference.predictor import HandEstimates, Predictor
from dualmod.inference.timings import PartTimings
from handbridge.demo.hand_boxes import HandsOf, box_from_text
from handbridge.demo.upload import Photo, read_photo
from synth.common.conventions import LEFT, RIGHT, ROOT_JOINT, UNKNOWN

GIVEN_HANDS = (UNKNOWN, RIGHT, LEFT)


@dataclass(frozen=True)
class Networks:
    """What the page runs.

    Attributes:
        after: The network that is shown; the adapted one, where there are two.
        before: The network before adaptation; None to show one alone.
        hands_of: Finds hands in a photo.
        least_score: Hands of a lower score are not shown, unless the user gives their box.
    """

    after: Predictor
    before: Predictor | None
    hands_of: HandsOf
    least_score: float


@dataclass(frozen=True)
class Looked:
    """What was seen in one photo.

    Attributes:
        photo: The photo.
        hands: The hands that were found or given, surest first, boxes in pixels of ``photo.image``.
        after: One row for each hand.
        before: The same hands by the network before adaptation.
        seconds: Seconds by part: decode, locate, network, and once with ``before``.
        is_box_given: Whether the user gave the box.
    """

    photo: Photo
    hands: list[HandBox]
    after: HandEstimates
    before: HandEstimates | None
    seconds: dict[str, float]
    is_box_given: bool


def look(networks: Networks, path: str | Path, *, box: str = "", hand: str = UNKNOWN) -> Looked:
    """What the networks see in a photo.

    Args:
        networks: Networks and the detector of hands.
        path: The photo.
        box: Box of the one hand to look at, in pixels of the file as ``box_from_text`` reads it; empty to search.
        hand: One of ``GIVEN_HANDS``; unknown to let each network decide.

    Raises:
        ValueError: in words for a page, when the photo or the box is of no use, or no hand is found.
    """
    timings = PartTimings()
    with timings.part("decode"):
        photo = read_photo(path)
    given = box_from_text(box, photo.width, photo.height)
    with timings.part("locate"):
        hands = _found(networks, photo) if given is None else [HandBox(photo.shrink(given), 1.0, 0.5)]
    images, boxes_px = [photo.image] * len(hands), np.stack([h.box_px for h in hands])
    handedness = [hand] * len(hands)
    with timings.part("network"):
        after = networks.after.predict(images, boxes_px, handedness)
    before = None
    if networks.before is not None:
        with timings.part("network before"):
            before = networks.before.predict(images, boxes_px, handedness)
    return Looked(photo, hands, after, before, timings.seconds, given is not None)


def _found(networks: Networks, photo: Photo) -> list[HandBox]:
    hands = networks.hands_of(photo.image)
    sure = [hand for hand in hands if hand.score >= networks.least_score]
    if not sure:
        best = f" The likeliest place reached {hands[0].score:.2f} of {networks.least_score:.2f}." if hands else ""
        raise ValueError(
            f"No hand was found in this photo.{best} If there is one, show where: click two opposite corners of its "
            f"box in the photo, or type the box."
        )
    return sure


def joints_cm(looked: Looked, estimates: HandEstimates, row: int = 0) -> Float[np.ndarray, "21 3"]:
    """Joints about the root joint in centimetres, x right, y down, z away from the viewer.

    The camera and the size of the hand are not known: an adult's hand before a phone's camera is assumed, so that
    proportions are predicted and the scale is not.
    """
    height, width = looked.photo.image.shape[:2]
    joints = lift(estimates.joints_px[row], estimates.joints_depth[row], assumed_K(width, height), TYPICAL_BONE_M)
    return 100 * (joints - joints[ROOT_JOINT])
