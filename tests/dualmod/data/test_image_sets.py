"""Real images: what opening a target reads, conversions, and errors in one line."""

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from dualmod.data.image_sets import LabelledImages, open_labelled, open_target, read_image, shrunk

REAL = Path(__file__).parents[4] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real image sets are not at {REAL}")


def write_set(root: Path, name: str = "toy", **changes) -> Path:
    """A set of three labelled test rows and two adapt rows."""
    folder = root / name
    (folder / "images").mkdir(parents=True)
    files = [f"images/{k}.png" for k in range(5)]
    for k, file in enumerate(files):
        cv2.imwrite(str(folder / file), np.full((40, 60, 3), 40 * k, np.uint8))
    uv = np.random.default_rng(0).uniform(5, 35, (5, 21, 2)).astype(np.float32)
    vis = np.ones((5, 21), np.uint8)
    vis[:2], uv[:2], vis[3, 4] = 0, np.nan, 0
    arrays = {
        "files": np.array(files),
        "split": np.array(["adapt", "adapt", "test", "test", "test"]),
        "uv": uv,
        "vis": vis,
        "xyz": np.full((5, 21, 3), np.nan, np.float32),
        "K": np.full((5, 3, 3), np.nan),
        "hand": np.array(["?", "?", "L", "R", "?"]),
        "label": np.array(["none", "none", "gt2d", "gt2d", "gt2d"]),
    }
    np.savez(folder / "annotations.npz", allow_pickle=False, **{**arrays, **changes})
    return folder


def spoil_labels(folder: Path) -> None:
    """Overwrite every member of the archive but ``files`` and ``split`` with bytes that no reader could take."""
    path = folder / "annotations.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data if name in ("files.npy", "split.npy") else b"no label here")


def test_a_target_opens_the_same_without_labels(tmp_path):
    folder = write_set(tmp_path)
    before = [image.copy() for image in open_target(folder)]
    spoil_labels(folder)
    after = list(open_target(folder))
    assert len(before) == 2 and all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    with pytest.raises(ValueError, match="cannot be read"):
        open_labelled(tmp_path, "toy")


def test_labelled_rows_and_their_fields(tmp_path):
    write_set(tmp_path)
    labelled = open_labelled(tmp_path, "toy")
    assert len(labelled) == 3 and labelled.files == ("images/2.png", "images/3.png", "images/4.png")
    assert labelled.handedness == ("left", "right", "unknown") and labelled.label_kind == "gt2d"
    assert not labelled.visible[1, 4] and labelled.visible.sum() == 62
    seen = np.delete(labelled.joints_px[1], 4, axis=0)
    np.testing.assert_allclose(labelled.boxes_px[1], [*seen.min(0), *seen.max(0)])
    assert labelled.image(1)[0, 0].tolist() == [120] * 3
    assert "people" in labelled.definition


def test_own_boxes_go_before_those_of_the_joints(tmp_path):
    boxes = np.tile(np.float32([1, 2, 30, 40]), (5, 1))
    boxes[4] = np.nan
    write_set(tmp_path, bbox=boxes)
    labelled = open_labelled(tmp_path, "toy")
    np.testing.assert_allclose(labelled.boxes_px[:2], boxes[2:4])
    joints = labelled.joints_px[2]
    np.testing.assert_allclose(labelled.boxes_px[2], [*joints.min(0), *joints.max(0)])


def test_rows_of_one_seq_are_a_block_and_rows_without_are_their_own(tmp_path):
    write_set(tmp_path)
    assert open_labelled(tmp_path, "toy").blocks.tolist() == [0, 1, 2]
    write_set(tmp_path, "named", seq=np.array(["a", "a", "b", "a", "b"]))
    labelled = open_labelled(tmp_path, "named")
    assert labelled.blocks.tolist() == [0, 1, 0] and labelled.num_blocks == 2
    assert labelled.thinned(2).blocks.tolist() == [labelled.blocks[k] for k in (0, 2)]
    write_set(tmp_path, "unknown", seq=np.array(["a", "a", "?", "", "?"]))
    assert open_labelled(tmp_path, "unknown").num_blocks == 3
    write_set(tmp_path, "short", seq=np.array(["a", "b"]))
    with pytest.raises(ValueError, match="cannot be read: seq lack rows of files"):
        open_labelled(tmp_path, "short")


def test_unknown_names_are_answered_with_what_there_is(tmp_path):
    write_set(tmp_path, "toy")
    write_set(tmp_path, "other")
    with pytest.raises(ValueError, match=r"dataset=tyo .* found: other, toy"):
        open_labelled(tmp_path, "tyo")
    with pytest.raises(ValueError, match=r"split=adapt .* splits with labels: test"):
        open_labelled(tmp_path, "toy", "adapt")
    with pytest.raises(ValueError, match="split=train; found: adapt, test"):
        open_target(tmp_path / "toy", "train")
    with pytest.raises(FileNotFoundError, match=r"root=.*nowhere does not exist"):
        open_labelled(tmp_path / "nowhere", "toy")
    with pytest.raises(FileNotFoundError, match=r"target=.*nowhere does not exist"):
        open_target(tmp_path / "nowhere")


def test_several_targets_by_name(tmp_path):
    write_set(tmp_path, "toy")
    write_set(tmp_path, "other")
    assert len(open_target("toy, other", root=tmp_path)) == 4


def test_a_plain_folder_skips_broken_images_and_counts_them(tmp_path, caplog):
    photo = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), photo)
    cv2.imwrite(str(tmp_path / "b.webp"), photo)
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "d.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:900])
    (tmp_path / "notes.txt").write_text("no image")
    target = open_target(tmp_path)
    assert [p.name for p in target.paths] == ["a.jpg", "b.webp"] and target.skipped == ("c.png", "d.jpg")
    assert len(caplog.records) == 1 and "2 of 4" in caplog.text and "c.png" in caplog.text


def test_folders_without_a_readable_image_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no image"):
        open_target(tmp_path)
    (tmp_path / "x.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"none of 1 images can be read \(first: .*x.png\)"):
        open_target(tmp_path)


def test_large_photos_are_shrunk_and_small_ones_kept():
    assert shrunk(np.zeros((1000, 500, 3), np.uint8), 384).shape == (384, 192, 3)
    assert shrunk(np.zeros((60, 60, 3), np.uint8), 384).shape == (60, 60, 3)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.full((8, 6), 77, np.uint8), 77),
        (np.full((8, 6), 77 * 257, np.uint16), 77),
        (np.full((8, 6, 4), 77, np.uint8), 77),
    ],
)
def test_grey_deep_and_transparent_images_become_rgb(tmp_path, stored, expected):
    cv2.imwrite(str(tmp_path / "x.png"), stored)
    image = read_image(tmp_path / "x.png")
    assert image.shape == (8, 6, 3) and image.dtype == np.uint8 and (image == expected).all()


def test_channels_are_red_first_and_exif_turns_the_photo(tmp_path):
    from PIL import Image

    photo = Image.new("RGB", (64, 32), (250, 10, 10))
    photo.paste((10, 10, 250), (0, 0, 32, 32))  # blue on the left, red on the right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees: left goes up
    data = io.BytesIO()
    photo.save(data, "JPEG", exif=exif, quality=95)
    (tmp_path / "x.jpg").write_bytes(data.getvalue())
    image = read_image(tmp_path / "x.jpg")
    assert image.shape == (64, 32, 3)
    assert image[8, 16, 2] > 200 > image[8, 16, 0] and image[56, 16, 0] > 200


def palm_side(labelled: LabelledImages) -> np.ndarray:
    """Sign of the fingers' bend along (index x little) in an x-right, y-down, z-forward frame: + for right hands."""
    joints = labelled.joints_cam
    palm = np.cross(joints[:, 5] - joints[:, 0], joints[:, 17] - joints[:, 0])
    bend = joints[:, [8, 12, 16, 20]] - joints[:, [5, 9, 13, 17]]
    return np.sign(np.einsum("nfc,nc->n", bend, palm))


@needs_real
@pytest.mark.real
@pytest.mark.parametrize(("name", "count"), [("ntu_real", 192), ("hagrid", 139), ("ti1k", 310), ("sign_digits", 54)])
def test_real_sets_open(name, count):
    labelled = open_labelled(REAL, name)
    assert len(labelled) == count and labelled.image(0).ndim == 3
    assert np.isfinite(labelled.boxes_px).all()
    assert (labelled.boxes_px[:, 2:] > labelled.boxes_px[:, :2]).all()


@needs_real
@pytest.mark.real
def test_true_3d_labels_project_onto_their_2d_and_have_the_named_hand():
    labelled = open_labelled(REAL, "ntu_real")
    projected = np.einsum("nij,nkj->nki", labelled.K, labelled.joints_cam)
    np.testing.assert_allclose(projected[..., :2] / projected[..., 2:], labelled.joints_px, atol=0.05)
    assert set(labelled.handedness) == {"left"}
    assert (palm_side(labelled) < 0).mean() > 0.9
