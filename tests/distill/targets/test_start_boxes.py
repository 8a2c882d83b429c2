"""Where the start network finds each hand: row by row as in one batch, and with few photos in memory."""

import numpy as np

from distill.targets.start_boxes import locate_hands
from tests.dualmod.disc_predictor import DiscPredictor, disc_image

PLACES = [(60, 60), (90, 50), (70, 80), (100, 70), (55, 75)]


class Photos:
    """Photos that are read when they are asked for, and how many were read since the last prediction."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return len(PLACES)

    def __getitem__(self, row):
        self.read += 1
        return disc_image(*PLACES[row], radius=25)


class Counting(DiscPredictor):
    batch_size = 2

    def __init__(self, photos):
        super().__init__()
        self.photos, self.most = photos, 0

    def predict(self, images, boxes_px, handedness=None):
        self.most, self.photos.read = max(self.most, self.photos.read), 0
        return super().predict(images, boxes_px, handedness)


def test_the_hands_of_a_long_target_are_found_with_a_batch_of_photos_in_memory():
    photos = Photos()
    predictor = Counting(photos)
    found = locate_hands(predictor, photos)
    assert predictor.most == 2 and found.boxes_px.shape == (5, 4) and found.right.shape == (5,)
    centres = (found.boxes_px[:, :2] + found.boxes_px[:, 2:]) / 2
    np.testing.assert_allclose(centres, PLACES, atol=4)
