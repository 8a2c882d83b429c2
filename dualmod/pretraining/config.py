"""What ``method=NAME`` of pre-training sets: the dual-modality objective, and what other methods add to it."""

from dataclasses import dataclass

from dualmod.pretraining.contrastive_phase import ContrastPhaseConfig
from dualmod.pretraining.objective import MethodConfig
from dualmod.pretraining.pose_clusters import PoseClassesConfig
from synth.common.config import option


@dataclass
class PretrainMethod(MethodConfig):
    """A method of pre-training."""

    phase: ContrastPhaseConfig = option(ContrastPhaseConfig(), "contrast of views before supervision")
    classes: PoseClassesConfig = option(PoseClassesConfig(), "contrast and cross-entropy of pose classes")

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
