"""Photos as people have them: each kind is read upright, or refused in a line that says why."""

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dualmod.inference.image_io import EXIF_ORIENTATION, photo_files, read_photo

WIDTH, HEIGHT = 48, 32
NONE = frozenset({"summary"})


def scene() -> np.ndarray:
    """Red in the upper left quarter, blue elsewhere: every turn and flip shows."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 2] = 200
    image[: HEIGHT // 2, : WIDTH // 2] = (200, 0, 0)
    return image


def is_scene(pixels: np.ndarray) -> bool:
    return pixels.shape == scene().shape and int(np.abs(pixels.astype(int) - scene()).max()) < 30


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_photos_are_turned_as_their_exif_says(tmp_path, orientation, suffix):
    """Stored pixels are made with the inverse of what each orientation asks a viewer to do."""
    back = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = Image.fromarray(scene())
    for step in back[orientation]:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options = {"quality": 98, "subsampling": 0} if suffix == ".jpg" else {"lossless": True} if suffix == ".webp" else {}
    stored.save(tmp_path / f"a{suffix}", exif=exif, **options)
    photo = read_photo(tmp_path / f"a{suffix}")
    assert is_scene(photo.pixels) and photo.exif_orientation == orientation


@pytest.mark.parametrize("written", [0, 9])
def test_an_orientation_that_is_none_means_upright(tmp_path, written):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = written
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif, quality=98, subsampling=0)
    photo = read_photo(tmp_path / "a.jpg")
    assert is_scene(photo.pixels) and photo.exif_orientation == 1


def test_grey_deep_and_transparent_photos_become_rgb(tmp_path):
    grey = scene()[..., 2]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "grey16.png"), grey.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "deep.png"), cv2.cvtColor(scene(), cv2.COLOR_RGB2BGR).astype(np.uint16) * 257)
    Image.fromarray(np.dstack([scene(), np.full((HEIGHT, WIDTH), 9, np.uint8)])).save(tmp_path / "clear.png")
    Image.fromarray(scene()).quantize(4).save(tmp_path / "palette.png")
    for name in ("grey", "grey16"):
        assert (read_photo(tmp_path / f"{name}.png").pixels == grey[..., None]).all()
    for name in ("deep", "clear", "palette"):
        pixels = read_photo(tmp_path / f"{name}.png").pixels
        assert is_scene(pixels) and pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"my notes about hands\n" * 9, "its content is no image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not read"),
        (b"\x89PNG\r\n\x1a\n\0\0", "its content is no image"),
    ],
)
def test_what_is_no_photo_is_named(tmp_path, data, told):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ValueError, match=told):
        read_photo(tmp_path / "a.jpg")


def test_a_file_that_the_system_does_not_give_is_refused_with_its_reason(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        read_photo(tmp_path)


def test_a_photo_that_is_cut_short_is_refused(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="cannot be decoded"):
        read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", [(1, 1), (4000, 15)])
def test_photos_too_small_for_a_hand_are_refused(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} px are too few.*16 px a side at least"):
        read_photo(tmp_path / "a.png")


@pytest.mark.parametrize("size", [(20_000, 8_000), (20_000, 20_000), (32_001, 20)])
def test_photos_too_large_are_refused_before_they_are_decoded(tmp_path, monkeypatch, size):
    """The header alone is there: decoding would end in another message."""
    monkeypatch.setattr("dualmod.inference.image_io.read_image", lambda path: pytest.fail("decoded"))
    Image.new("1", (16, 16)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = size[0].to_bytes(4) + size[1].to_bytes(4)
    data[29:33] = _crc(bytes(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"too many.*150 megapixels"):
        read_photo(tmp_path / "a.png")


def test_a_long_photo_of_20000_px_is_read(tmp_path):
    Image.new("RGB", (20_000, 40)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").pixels.shape == (40, 20_000, 3)


def test_a_folder_is_read_to_its_depth_and_names_stay_apart(tmp_path):
    for name in ("b.png", "b.JPG", "in/b.png", "summary.png", ".hidden/x.png", "in/.x.png", "out/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("notes.txt", "clip.MP4", "IMG_1.HEIC", "plain"):
        (tmp_path / name).touch()
    files, skipped = photo_files(str(tmp_path), (tmp_path / "out").resolve(), NONE)
    assert [f.name for f in files] == ["b.JPG", "b.png", "in/b", "summary.png"]
    reasons = {Path(one.file).name: one.reason for one in skipped}
    assert set(reasons) == {"notes.txt", "clip.MP4", "IMG_1.HEIC", "plain"}
    assert "a video" in reasons["clip.MP4"] and "JPEG" in reasons["IMG_1.HEIC"] and ".txt" in reasons["notes.txt"]


def test_globs_and_single_files(tmp_path):
    for name in ("a/1.png", "b/1.png", "b/2.txt", "photo"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files, skipped = photo_files(f"{tmp_path}/*/*", tmp_path / "out", NONE)
    assert [f.name for f in files] == ["a/1", "b/1"] and len(skipped) == 1
    assert [f.name for f in photo_files(f"{tmp_path}/**/1.png", tmp_path / "out", NONE)[0]] == ["a/1", "b/1"]
    assert [f.path.name for f in photo_files(f"{tmp_path}/photo", tmp_path / "out", NONE)[0]] == ["photo"]


def test_no_result_is_called_like_another(tmp_path):
    for name in ("a.jpg", "a.png", "a.jpg.png", "b.jpg", "b.jpg.png", "B.tif.png"):
        (tmp_path / name).touch()
    files, _ = photo_files(str(tmp_path), tmp_path / "out", NONE)
    assert [f.name for f in files] == ["B.tif", "a.jpg", "a.jpg.png", "a.png", "b", "b.jpg.png"]
    assert [f.below for f in files] == [f.path.relative_to(tmp_path) for f in files]


@pytest.mark.parametrize(("source", "told"), [("nowhere", "does not exist"), ("*.jpg", "no file matches")])
def test_inputs_that_name_nothing(tmp_path, source, told):
    with pytest.raises(FileNotFoundError, match=told):
        photo_files(f"{tmp_path}/{source}", tmp_path / "out", NONE)


@pytest.mark.parametrize("name", ["", "notes.txt"])
def test_a_folder_without_photos(tmp_path, name):
    if name:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=f"holds no photo among {bool(name):d} files"):
        photo_files(str(tmp_path), tmp_path / "out", NONE)


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4)
