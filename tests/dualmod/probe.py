"""A pre-training that keeps the gradient of its first step; as a script, one of the ranks of torchrun."""

import sys
from pathlib import Path

import torch

from dualmod.data.augment import AugmentConfig
from dualmod.data.synthetic import PairedBatches, SyntheticHands
from dualmod.network.encoder import EncoderConfig
from dualmod.network.model import DualModalityNet, NetworkConfig
from dualmod.pretrain import PretrainConfig, PretrainModule
from dualmod.pretraining.config import PretrainMethod
from dualmod.runtime.distributed import Ranks, launched_ranks
from dualmod.training.loop import EngineConfig, run_training

BATCH, BLOCKS = 6, 2
SMALL = EncoderConfig(backbone="mobilenetv3_small_050")
NETWORK = NetworkConfig(image_size=64, rgb=SMALL, depth=SMALL, decoder_width=16, embedding_dims=8)
# all images are mirrored for handedness: with a share, other ones would be when the batch is split
METHOD = PretrainMethod(contrast_weight=1.0, mirrored_share=1.0)


class Probe(PretrainModule):
    """Keeps the gradient, with fixed statistics: those of a part are not those of the whole batch."""

    gradient: dict[str, torch.Tensor]
    sick_step = -1

    def on_train_start(self) -> None:
        self.eval()

    def losses(self, batch, step):
        terms = super().losses(batch, step)
        return terms if step != self.sick_step else {**terms, "handedness": terms["handedness"] * float("nan")}

    def configure_gradient_clipping(self, *args, **kwargs) -> None:
        self.gradient = {k: p.grad.clone() for k, p in self.named_parameters() if p.grad is not None}
        super().configure_gradient_clipping(*args, **kwargs)


def probed(data: Path, out: Path, engine: EngineConfig, *, ranks: Ranks | None = None, steps=1, sick_step=-1) -> Probe:
    """Train a probe on one batch a step, the same however it is split."""
    ranks = ranks or Ranks()
    torch.manual_seed(0)
    config = PretrainConfig(
        data="", out="", max_steps=steps, batch_size=BATCH, network=NETWORK, method=METHOD, engine=engine
    )
    probe = Probe(DualModalityNet(NETWORK), config)
    probe.sick_step = sick_step
    batches = PairedBatches(SyntheticHands(data), AugmentConfig(crop_px=64), steps=steps, batch_size=BATCH, seed=0)
    out.mkdir(exist_ok=True)
    run_training(
        probe, lambda step: batches.part(step, BLOCKS, ranks), out, device=torch.device("cpu"), seed=0, save_every=1,
        loader_workers=0, description="probe", engine=engine, ranks=ranks,
    )  # fmt: skip
    return probe


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, here = Path(sys.argv[2]), launched_ranks()
    split = EngineConfig(accumulate=int(sys.argv[3]))
    healthy = probed(Path(sys.argv[1]), folder / "healthy", split, ranks=here)
    if here.rank == 0:
        torch.save(healthy.gradient, folder / "gradient.pt")
    # the other rank falls ill: this one has to end too, not to wait for ever
    probed(Path(sys.argv[1]), folder / "sick", split, ranks=here, steps=3, sick_step=1 if here.rank == 1 else -1)
