"""A generator that has made a sample: what a fork server imports once, so that each of its processes starts at once."""

import pickle

import cv2
import torch

from synth.generate import GenerateConfig, maker_settings
from synth.generation.shard_task import kept_maker
from tests.synth.test_killed_run import OPTIONS

# threads do not survive a fork
torch.set_num_threads(1)
cv2.setNumThreads(1)
config = GenerateConfig(out="", **OPTIONS)
next(kept_maker(pickle.dumps((maker_settings(config), config.seed))).samples(0, 1))
