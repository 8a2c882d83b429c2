"""See that ``pretrain init=FILE method=dual`` trains the depth branch: on exact depth it should end no worse than RGB.

python -m benchmarks.long.depth_branch DATA OUT [KEY=VALUE ...]

DATA is a dataset made by ``generate``, OUT the run's folder; further options are those of ``pretrain``. A depth
branch that is not trained at all, as those of the released networks, has 17 % of the joints within a tenth of the box.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pretraining.tables import merged
from dualmod.pretrain import PretrainConfig, pretrain
from synth.common.config import compose_config

START = Path(__file__).with_name("latest.safetensors")
OPTIONS = (f"init={START}", "method=dual", "network=laptop", "batch_size=32", "max_steps=300", "holdout=0.01")
BRANCHES = {"RGB branch": "held_out_pck_box@0.1", "depth branch, exact depth": "held_out_depth_pck_box@0.1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and compare the branches; 1 when depth is behind, or an option is not legal."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) < 2 or any("=" in word for word in given[:2]):
        sys.stderr.write("depth_branch: give DATA and OUT, then options of pretrain as KEY=VALUE\n")
        return 1
    data, out, *more = given
    try:
        words = [*merged(OPTIONS, more), f"data={data}", f"out={out}"]
        model = pretrain(compose_config("pretrain", PretrainConfig, words))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"depth_branch: {error}\n")
        return 1
    metrics = json.loads(model.with_name("metrics.json").read_text())
    found = {branch: metrics.get(name, 0.0) for branch, name in BRANCHES.items()}
    for branch, value in found.items():
        print(f"{branch}: {value:.3f} of the joints within 0.1")
    of_rgb, of_depth = found.values()
    return int(of_depth < of_rgb)


if __name__ == "__main__":
    raise SystemExit(main())
