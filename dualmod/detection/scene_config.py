"""What composed scenes are made of, and how often."""

from dataclasses import dataclass

from dualmod.data.appearance import TextureConfig
from synth.common.config import check, option

MAX_HANDS = 3


@dataclass
class SceneConfig:
    """What a scene is made of."""

    hands: list[float] = option([0.12, 0.58, 0.2, 0.1], "shares of scenes with 0, 1, 2 and 3 hands")
    min_box: float = option(0.08, "smallest longer side of a hand's box over the scene's")
    max_box: float = option(0.9, "largest one")
    whole_share: float = option(0.3, "share of scenes that show a render with its own background")
    min_whole_box: float = option(0.3, "smallest box in such a scene: the render has to fill it")
    letterbox_share: float = option(0.5, "share of scenes that fill only a rectangle of the square, as photos do")
    arm_only_share: float = option(0.15, "share of scenes with an arm whose hand is not to be seen")
    person_share: float = option(0.35, "share of backgrounds with a painted person")
    photo_share: float = option(0.75, "share of photos among the backgrounds, where there are photos")
    turn_rad: float = option(0.4, "standard deviation of a pasted hand's turn, radians")
    any_turn_share: float = option(0.08, "share of pasted hands whose turn is uniform over the circle")
    max_overlap: float = option(0.25, "largest part of the smaller one of two boxes that lies in the other")
    least_visible: float = option(0.35, "least visible share of a hand that has to be found; less is left out")
    strength: float = option(0.6, "strength of the change of texture, 0 to 1")
    texture: TextureConfig = option(TextureConfig(cut=0.0, frame=0.0), "change of texture of the whole scene")

    def __post_init__(self) -> None:
        legal = len(self.hands) == MAX_HANDS + 1 and min(self.hands) >= 0 and sum(self.hands) > 0
        check(legal, "scene.hands", self.hands, f"{MAX_HANDS + 1} numbers of 0 or more, not all 0")
        check(0 < self.min_box <= self.max_box <= 2, "scene.min_box", self.min_box, "above 0, at most max_box <= 2")
        check(self.turn_rad >= 0, "scene.turn_rad", self.turn_rad, "0 or more")
        check(self.texture.cut == 0, "scene.texture.cut", self.texture.cut, "0: a pasted patch may hide a hand")
        for key in (
            "whole_share", "min_whole_box", "letterbox_share", "arm_only_share", "person_share", "photo_share",
            "any_turn_share", "max_overlap", "least_visible", "strength",
        ):  # fmt: skip
            check(0 <= getattr(self, key) <= 1, f"scene.{key}", getattr(self, key), "0 to 1")
