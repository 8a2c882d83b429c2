"""Votes against a loop, and several looks at a photo against a network that knows where the hand is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dualmod.inference.predictor import Predictor
from dualmod.inference.test_time_augmentation import VIEWS, VotingPredictor, vote


def test_a_vote_is_one_step_of_mean_shift_written_out() -> None:
    generator = torch.Generator().manual_seed(3)
    drawn = [torch.rand(5, 4, 21, *shape, generator=generator).double() for shape in ((2,), (), ())]
    drawn[0] = 0.5 + 0.2 * drawn[0]
    uv, depth, confidence = vote(*drawn)
    for row in range(4):
        for joint in range(21):
            places, depths, sure = (part[:, row, joint].numpy() for part in drawn)
            near = np.array([[np.exp(-(np.linalg.norm(p - q) ** 2) / (2 * 0.05**2)) for q in places] for p in places])
            supports = [sum(near[k, j] * sure[j] ** 3 for j in range(5)) for k in range(5)]
            best = int(np.argmax(supports))
            weights = near[best] * sure**3
            expected = (places * weights[:, None]).sum(0) / weights.sum()
            np.testing.assert_allclose(uv[row, joint].numpy(), expected, atol=1e-5)
            assert float(depth[row, joint]) == pytest.approx((depths * weights).sum() / weights.sum(), abs=1e-4)
            assert float(confidence[row, joint]) == pytest.approx(sure.mean())


def test_of_two_fingers_the_one_that_more_views_see_wins() -> None:
    places = torch.tensor([[0.3, 0.5], [0.31, 0.5], [0.7, 0.5], [0.29, 0.5], [0.7, 0.51]])
    uv = places[:, None, None].expand(5, 1, 21, 2)
    even = torch.full((5, 1, 21), 0.5)
    assert vote(uv, even, even)[0][0, 0].tolist() == pytest.approx([0.3, 0.5], abs=0.01)
    surer = torch.where(uv[..., 0] > 0.5, 0.9, 0.5)
    assert vote(uv, even, surer)[0][0, 0].tolist() == pytest.approx([0.7, 0.505], abs=0.01)


def photo_and_box() -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).integers(0, 255, (90, 110, 3), dtype=np.uint8), np.array([[25.0, 20.0, 80.0, 70.0]])


def test_one_look_is_the_plain_prediction(tiny_net):
    photo, box = photo_and_box()
    plain = Predictor(tiny_net, torch.device("cpu"))
    one, voted = plain.predict([photo], box), VotingPredictor(plain, 1).predict([photo], box)
    np.testing.assert_allclose(voted.joints_px, one.joints_px, atol=1e-6)
    np.testing.assert_allclose(voted.joints_depth, one.joints_depth, atol=1e-6)
    np.testing.assert_allclose(voted.confidence, one.confidence)


def test_looks_that_see_the_same_places_agree_in_the_photo(tiny_net, monkeypatch):
    """A network that finds the same places of the photo in every crop: the vote is there too, whichever hand it is."""
    photo, box = photo_and_box()
    truth = 25 + 40 * np.random.default_rng(1).random((1, 21, 2))
    seen = []

    def knows(self, images, A_crop_image, handedness=None):
        found = whole(self, images, A_crop_image, handedness)
        seen.append((A_crop_image, handedness))
        found.joints_px[:] = truth
        return found

    whole = Predictor.predict_crops
    monkeypatch.setattr(Predictor, "predict_crops", knows)
    predictor = VotingPredictor(Predictor(tiny_net, torch.device("cpu"), crop_margin=1.5), len(VIEWS))
    found = predictor.predict([photo], box, ["left"])
    np.testing.assert_allclose(found.joints_px, truth, atol=1e-6)
    assert len(seen) == len(VIEWS)
    turns = [np.arctan2(A[0, 1, 0], A[0, 0, 0]) for A, _ in seen]
    np.testing.assert_allclose(np.abs(turns), [abs(turn) for turn, *_ in VIEWS], atol=1e-9)
    sides = [64 / np.sqrt(np.linalg.det(A[0, :, :2])) for A, _ in seen]
    np.testing.assert_allclose(sides, [82.5 * zoom for _, zoom, *_ in VIEWS])
    assert {tuple(said) for _, said in seen} == {("left",)} and found.mirrored[0]
    centre = np.array([52.5, 45.0])
    for (A, _), (_, _, x, y) in zip(seen, VIEWS, strict=True):
        np.testing.assert_allclose(A[0, :, :2] @ (centre + 82.5 * np.array([x, y])) + A[0, :, 2], 31.5, atol=1e-6)


def test_the_vote_is_of_all_looks(tiny_net):
    photo, box = photo_and_box()
    plain = Predictor(tiny_net, torch.device("cpu"))
    found = VotingPredictor(plain, 5).predict([photo, photo], np.repeat(box, 2, 0))
    one = plain.predict([photo], box)
    assert np.abs(found.joints_px[:1] - one.joints_px).max() > 0.01
    np.testing.assert_allclose(found.joints_px[0], found.joints_px[1], atol=1e-4)
    np.testing.assert_array_equal(found.crops[:1], one.crops)


def test_the_looks_together_say_which_hand_it_is(tiny_net, monkeypatch):
    """Of two photos, one look in three takes the first for a right hand, surely, and two the second, hardly."""
    photo, box = photo_and_box()
    said_right = iter([[0.95, 0.45], [0.4, 0.55], [0.4, 0.55]])
    asked = []

    def tells(self, images, A_crop_image, handedness=None):
        found = whole(self, images, A_crop_image, handedness)
        asked.append(handedness)
        right = np.array(next(said_right)) if set(handedness) == {"unknown"} else found.right_probability
        mirrored = right < 0.5 if set(handedness) == {"unknown"} else np.array([side == "left" for side in handedness])
        return replace(found, right_probability=right, mirrored=mirrored, joints_px=found.joints_px + 100 * len(asked))

    whole = Predictor.predict_crops
    monkeypatch.setattr(Predictor, "predict_crops", tells)
    found = VotingPredictor(Predictor(tiny_net, torch.device("cpu")), 3).predict([photo] * 2, np.repeat(box, 2, 0))
    assert found.mirrored.tolist() == [False, False] and (found.right_probability > 0.5).all()
    assert asked == [["unknown"] * 2] * 3 + [["right"]] * 3, (
        "each look asks again about the photo that it saw otherwise"
    )
    assert found.right_probability[0] == pytest.approx(0.67, abs=0.02)
