"""Whether distances of predicted poses to the renders rank like those of the true poses, on renders of another domain.

The images are read as ``handbridge coverage`` reads photographs: boxes, sides and poses by the network alone. Their
labels tell the truth that it is held to.

    python benchmarks/coverage_ranking.py RENDERS TARGET CHECKPOINT [IMAGES]
"""

import sys

import numpy as np
from rich.console import Console
from scipy.stats import spearmanr

from distill.coverage import UNCLEAR_SHARE
from distill.pose_coverage.box_poses import pose_distance
from distill.pose_coverage.held_out import RenderImages, two_renders
from distill.pose_coverage.pose_index import PoseIndex
from distill.pose_coverage.predicted_poses import predict_poses
from distill.pose_coverage.renders import read_renders
from dualmod.checkpoints.released import pose_file
from dualmod.inference.predictor import Predictor
from synth.common.subsample import evenly_spaced
from synth.dataset import SampleStore

VIEWS, NEIGHBOURS, IMAGES = 5, 10, 300


def main() -> None:
    renders = read_renders(SampleStore(sys.argv[1]))
    store = SampleStore(sys.argv[2])
    target = read_renders(store)
    rows = np.array(evenly_spaced(len(store), int(sys.argv[4]) if len(sys.argv) > 4 else IMAGES))
    predictor = Predictor.load(pose_file(sys.argv[3]), "cpu")
    predicted = predict_poses(predictor, RenderImages(store, rows), VIEWS)
    index = PoseIndex(renders.poses)
    by_prediction = index.nearest(predicted.poses, NEIGHBOURS).distances[:, -1]
    by_truth = index.nearest(target.poses[rows], NEIGHBOURS).distances[:, -1]
    errors = pose_distance(predicted.poses, target.poses[rows])
    is_clear = predicted.spread < UNCLEAR_SHARE * two_renders(renders)
    console = Console(width=120)
    for name, chosen in (("all", np.ones(len(rows), bool)), ("views agree", is_clear), ("views differ", ~is_clear)):
        if chosen.sum() > 1:
            rank = spearmanr(by_prediction[chosen], by_truth[chosen])[0]
            medians = [np.median(values[chosen]) for values in (by_prediction, by_truth, errors)]
            told = "median distance {:.3f}, true {:.3f}, error {:.3f}".format(*medians)
            console.print(f"{name}: {chosen.sum()} images, Spearman {rank:.3f}; {told}")


if __name__ == "__main__":
    main()
