"""Averaged weights: those of a plain loop, and those of Lightning in a run."""

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import WeightAveraging as LightningsAveraging
from torch import nn

from dualmod.training.averaged_weights import WeightAveraging, average_into


def test_averages_are_those_of_a_plain_loop():
    torch.manual_seed(0)
    averages = [torch.randn(3, 4), torch.randn(5), torch.tensor(3), torch.randn(2, 2, dtype=torch.float64)]
    wanted = [tensor.clone().double() for tensor in averages]
    for step in range(4):
        current = [torch.randn(3, 4), torch.randn(5), torch.tensor(10 + step), torch.randn(2, 2, dtype=torch.float64)]
        average_into(averages, current, 0.9)
        wanted = [0.9 * a + 0.1 * c for a, c in zip(wanted, current, strict=True)]
    for index in (0, 1, 3):
        torch.testing.assert_close(averages[index].double(), wanted[index], atol=1e-6, rtol=0)
    assert averages[2] == 13
    with pytest.raises(ValueError, match="shorter"):
        average_into(averages, averages[:-1], 0.9)


class Small(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))

    def training_step(self, batch, batch_idx):
        return self.net(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trained(folder, callback: lightning.Callback) -> dict[str, torch.Tensor]:
    """The weights after five steps."""
    module = Small()
    batches = list(torch.randn(5, 2, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=5, callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
    return module.state_dict()


@pytest.mark.filterwarnings("ignore")
def test_a_run_leaves_what_lightnings_own_leaves(tmp_path):
    def warmed_up(average: torch.Tensor, current: torch.Tensor, updates: int) -> torch.Tensor:
        decay = min(0.3, (1 + int(updates)) / (10 + int(updates)))  # 0.3 holds from the fourth update on
        return decay * average + (1 - decay) * current

    mine = trained(tmp_path, WeightAveraging(0.3))
    lightnings = trained(tmp_path, LightningsAveraging(avg_fn=warmed_up))
    last = trained(tmp_path, lightning.Callback())
    assert not torch.allclose(mine["net.0.weight"], last["net.0.weight"])
    for name, tensor in mine.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, lightnings[name], atol=1e-6, rtol=0)
    assert mine["net.1.num_batches_tracked"] == 5  # Lightning averages the count, and cuts its fraction off
