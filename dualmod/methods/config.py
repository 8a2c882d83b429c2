"""What ``method=NAME`` of pre-training sets: the dual-modality objective, and what other methods add to it."""

from dataclasses import dataclass

from dualmod.methods.contrast_phase import ContrastPhaseConfig
from dualmod.methods.pose_classes import PoseClassesConfig
from dualmod.objective import MethodConfig
from synth.config import check, option


@dataclass
class PretrainMethod(MethodConfig):
    """A method of pre-training."""

    repeats: int = option(1, "times each sample is in a step, with its own crops and textures")
    phase: ContrastPhaseConfig = option(ContrastPhaseConfig(), "contrast of views before supervision")
    classes: PoseClassesConfig = option(PoseClassesConfig(), "contrast and cross-entropy of pose classes")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.repeats > 0, "method.repeats", self.repeats, "positive")
        # a repeated sample would be its own negative
        check(self.repeats == 1 or not self.contrast_terms, "method.repeats", self.repeats,
              "1 with contrastive terms (method.contrast)")  # fmt: skip

    @property
    def least_batch(self) -> int:
        """Samples that a step needs at least: a contrastive loss has no negatives in a batch of one."""
        contrasts = bool(self.contrast_terms) or self.phase.share > 0 or self.classes.weight > 0
        return 2 if contrasts else 1

    @property
    def needs_all_poses(self) -> bool:
        """Whether the poses of the whole dataset have to be known before training."""
        similar = self.phase.share > 0 and self.phase.positives == "similar"
        return similar or self.classes.weight > 0
