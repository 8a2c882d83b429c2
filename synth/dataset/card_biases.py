"""In what a dataset is one-sided, in words: computed from its samples wherever that can be."""

from collections.abc import Iterator

import numpy as np

from synth.common.conventions import LEFT, RIGHT
from synth.dataset.card_counts import Census
from synth.dataset.manifest import Manifest
from synth.dataset.skin_tone import TONE_GROUPS, skin_angles_deg, tone_group


def known_biases(manifest: Manifest, census: Census) -> Iterator[str]:
    """One line for each bias."""
    yield _hand(manifest, census)
    yield _handedness(census)
    yield from _skins(manifest, census)
    yield _lightness(census)
    yield _views(census)
    yield _size(census)
    yield _visibility(census)
    yield "One hand is labelled in each image, and no image is without one."


def _hand(manifest: Manifest, census: Census) -> str:
    low, high = _span(census, "wrist to middle fingertip along the bones, cm")
    return (
        f"One hand model (`{manifest.hand_model}`): all hands share one mesh, and people differ by shape coefficients, "
        f"skin and tint alone; {low:.1f} to {high:.1f} cm from the wrist to the tip of the middle finger (5 % to 95 %)."
    )


def _handedness(census: Census) -> str:
    counted = {side: census.handedness[side] for side in (RIGHT, LEFT)}
    only = [side for side, count in counted.items() if count == census.num_counted]
    if only:
        return f"Only {only[0]} hands; a network learns the other hand from mirrored images alone."
    return f"{counted[RIGHT]} right and {counted[LEFT]} left hands among the samples counted."


def _skins(manifest: Manifest, census: Census) -> Iterator[str]:
    """How many skins, and the tone of the samples' skins before light and random tint."""
    shares = dict(census.shares("skin"))
    if not shares:
        yield "Which skin a sample has is not noted, so that the distribution of skin tones is unknown."
        return
    most, share = next(iter(shares.items()))
    yield f"{len(shares)} skins occur; the most frequent one, `{most}`, in {100 * share:.1f} % of the samples."
    try:
        angles = skin_angles_deg(str(manifest.config.get("skins", "")), shares)
    except (OSError, ValueError) as error:
        yield f"Skin tones could not be measured: {error}."
        return
    if len(angles) < len(shares):
        yield f"Skin tones could not be measured: textures are missing, such as {min(shares.keys() - angles.keys())}."
        return
    groups = dict.fromkeys((name for name, _ in TONE_GROUPS), 0.0)
    for name, angle in angles.items():
        groups[tone_group(angle)] += shares[name]
    listed = ", ".join(f"{name} {100 * value:.1f} %" for name, value in groups.items())
    yield (
        f"Skin tone by individual typology angle of the texture, before tint and light: {listed}; angles from "
        f"{min(angles.values()):.0f} to {max(angles.values()):.0f} degrees."
    )


def _lightness(census: Census) -> str:
    low, high = _span(census, "lightness L* of the hand in the image")
    return f"In the images, with light and tint, the hand's lightness L* is {low:.0f} to {high:.0f} (5 % to 95 %)."


def _views(census: Census) -> str:
    cosines = np.array(census.numbers["palm towards the camera, cosine"])
    palm, back = (100 * float(np.mean(cosines * sign > 0.5)) for sign in (1, -1))
    return f"{palm:.0f} % of the hands show their palm within 60 degrees of the camera, {back:.0f} % their back."


def _size(census: Census) -> str:
    low, high = _span(census, "longer side of the joints' box, image sides")
    near, far = _span(census, "distance of the middle knuckle, m")
    return (
        f"Hands fill {low:.2f} to {high:.2f} of the image's side at {near:.2f} to {far:.2f} m (5 % to 95 %): "
        f"these are crops around a hand, not whole photographs with small hands in them."
    )


def _visibility(census: Census) -> str:
    visible = np.array(census.numbers["visible joints of 21"])
    cut = float(np.mean(np.array(census.numbers["joints outside of the image"]) > 0))
    return f"{visible.mean():.1f} of 21 joints are visible on average; {100 * cut:.1f} % of the hands are cut off."


def _span(census: Census, label: str) -> tuple[float, float]:
    """5 % and 95 % of the values under a label; not a number where no sample has one."""
    values = census.numbers.get(label)
    low, high = np.quantile(values, [0.05, 0.95]) if values else (np.nan, np.nan)
    return float(low), float(high)
