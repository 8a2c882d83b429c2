"""Photos as users hand them over: every kind is read, or refused in words that help."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from handbridge.demo.upload import MAX_SIDE_PX, Photo, read_photo

RNG = np.random.default_rng(0)


def picture(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB", "P", "I;16"])
def test_every_kind_of_png_becomes_srgb(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "a.png"
    if mode == "I;16":
        Image.fromarray(RNG.integers(0, 65535, (40, 60), dtype=np.uint16)).save(file)
    else:
        Image.fromarray(picture(40, 60)).convert(mode).save(file)
    photo = read_photo(file)
    assert photo.image.shape == (40, 60, 3) and photo.image.dtype == np.uint8
    assert (photo.width, photo.height) == (60, 40) and photo.size_in_words() == "60 x 40 px"


def test_a_photo_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # the camera was held upright
    Image.fromarray(picture(40, 60)).save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg").image.shape == (60, 40, 3)


def test_a_large_photo_is_shrunk_and_boxes_with_it(tmp_path: Path) -> None:
    wide = np.zeros((300, 2 * MAX_SIDE_PX, 3), np.uint8)
    wide[100:200, 1000:1400] = 255
    cv2.imwrite(str(tmp_path / "a.png"), wide)
    photo = read_photo(tmp_path / "a.png")
    assert photo.image.shape == (150, MAX_SIDE_PX, 3)
    assert photo.size_in_words() == f"{2 * MAX_SIDE_PX} x 300 px, seen at {MAX_SIDE_PX} x 150"
    left, top, right, bottom = photo.shrink(np.array([1000.0, 100.0, 1399.0, 199.0]))
    rows, columns = np.nonzero(photo.image[..., 0] > 127)
    # corners of the first and last white pixel, half a pixel nearer to its edge in the finer image
    assert (left, top) == pytest.approx((columns.min() - 0.25, rows.min() - 0.25))
    assert (right, bottom) == pytest.approx((columns.max() + 0.25, rows.max() + 0.25))


def test_a_photo_of_working_size_keeps_its_boxes() -> None:
    box = np.array([3.0, 4.0, 50.0, 30.0])
    assert np.array_equal(Photo(picture(40, 60), 60, 40).shrink(box), box)


def test_what_cannot_be_looked_at_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("dear diary")
    (tmp_path / "empty.png").touch()
    whole = cv2.imencode(".jpg", picture(200, 200))[1].tobytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 3])
    cv2.imwrite(str(tmp_path / "dot.png"), picture(1, 1))
    cv2.imwrite(str(tmp_path / "ribbon.png"), picture(20, 20_000))
    cases = {
        "text.jpg": "its content is no image",
        "empty.png": "the file is empty",
        "cut.jpg": "This photo is of no use here",
        "dot.png": "1 x 1 px are too few to show a hand",
        "ribbon.png": "20000 x 20 px, far too narrow",
    }
    for name, said in cases.items():
        with pytest.raises(ValueError, match=said) as refused:
            read_photo(tmp_path / name)
        assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("side", [12_500, 20_000])
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(tmp_path / "huge.png")
    with pytest.raises(ValueError, match="150 megapixels"):
        read_photo(tmp_path / "huge.png")
