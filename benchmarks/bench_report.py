"""Seconds in which ``transfer`` renders the report of ten runs, and the size of its page.

Without an argument the runs are five stages of two seeds on four sets of renders: what the released network and the one
it was adapted from predict, moved at random a little, so that each run has errors of its own. With all pictures, maps
and intervals, as ``transfer`` makes them unless told otherwise.

    python benchmarks/bench_report.py [RUN ...]
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from distill.report.runs import EVALUATION_FOLDER, PREDICTIONS_FILE
from distill.targets.simulated import SimulatedTargetConfig, lay_out
from distill.transfer import JSON_FILE, TransferConfig, transfer
from dualmod.checkpoints.released import POSE_FILES, RELEASED, RELEASED_START
from dualmod.evaluate import EvaluateConfig, evaluate
from synth.generate import GenerateConfig, generate

SETS, IMAGES, SIZE_PX = ("a", "b", "c", "d"), 50, 224
STAGES = {
    "start": RELEASED_START,
    "control": RELEASED_START,
    "adapted": RELEASED,
    "mean_teacher": RELEASED,
    "semihand": RELEASED,
}
SEEDS = (0, 1)
MOVED_PX = 2.0
LIMIT_S = 60


def make_runs(folder: Path) -> list[Path]:
    """Render the sets, evaluate both networks, and lay the evaluations out as the runs of all stages and seeds."""
    data, root = folder / "data", folder / "sets"
    generate(GenerateConfig(out=str(data), num_samples=IMAGES, image_size=SIZE_PX, workers=1))
    for name in SETS:
        lay_out(SimulatedTargetConfig(data=str(data), out=str(root / name), test_share=0.98))
    measured = {name: folder / name for name in POSE_FILES}
    for name, out in measured.items():
        evaluate(EvaluateConfig(checkpoint=name, dataset=",".join(SETS), root=str(root), out=str(out), device="cpu"))
    runs = []
    for place, (stage, network) in enumerate(STAGES.items()):
        for seed in SEEDS:
            run = folder / f"seed-{seed}" / stage
            shutil.copytree(measured[network], run / EVALUATION_FOLDER)
            move_joints(run / EVALUATION_FOLDER / PREDICTIONS_FILE, [place, seed])
            runs.append(run)
    return runs


def move_joints(file: Path, seed: list[int]) -> None:
    """Move the joints of saved predictions at random, by ``MOVED_PX`` in the image and as many millimetres in 3D."""
    rng = np.random.default_rng(seed)
    with np.load(file) as archive:
        arrays = dict(archive)
    for name, unit in (("joints_px", 1.0), ("joints_cam", 0.001)):
        arrays[name] = arrays[name] + unit * rng.normal(0, MOVED_PX, arrays[name].shape)
    np.savez(file, **arrays)


def main(*given: str) -> None:
    """Render the report and print the seconds."""
    absent = [file.name for file in POSE_FILES.values() if not file.is_file()]
    if absent and not given:
        print(f"report: {', '.join(absent)} of the released networks is not there; name runs: bench_report.py RUN ...")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        runs = list(given) or [str(run) for run in make_runs(folder)]
        page = folder / "report.html"
        wall, busy = time.perf_counter(), time.process_time()
        transfer(TransferConfig(runs=runs, out=str(page)))
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        size_mb, numbers_mb = ((folder / name).stat().st_size / 1e6 for name in (page.name, JSON_FILE))
    verdict = "under" if wall < LIMIT_S else "OVER"
    print(f"report of {len(runs)} runs: {wall:.1f} s by the clock, {verdict} {LIMIT_S} s; {busy:.1f} s of a core")
    print(f"page {size_mb:.1f} MB, {JSON_FILE} {numbers_mb:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
