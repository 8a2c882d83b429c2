"""The picture of photographs: rows that nobody picked, of the sets that may be shown, as ``predict`` draws them."""

import re
from pathlib import Path

import cv2
import numpy as np

from benchmarks.released.picture import COLUMNS, PICTURE, SETS, TILE_PX, chosen_photos, main

ROOT = Path(__file__).parent.parent.parent


def write_sets(root: Path, count: int = 11) -> None:
    """The sets with grey test rows and, first, as many rows to adapt to."""
    for name in SETS:
        (root / name / "images").mkdir(parents=True)
        files = np.array([f"images/{row:02d}.png" for row in range(2 * count)])
        for file in files:
            cv2.imwrite(str(root / name / file), np.full((40, 30, 3), 128, np.uint8))
        test = np.arange(2 * count) >= count
        np.savez(
            root / name / "annotations.npz",
            files=files,
            uv=np.full((2 * count, 21, 2), 20.0, np.float32),
            vis=np.repeat(test[:, None], 21, 1).astype(np.uint8),
            xyz=np.full((2 * count, 21, 3), np.nan, np.float32),
            K=np.full((2 * count, 3, 3), np.nan),
            hand=np.array(["?"] * 2 * count),
            split=np.where(test, "test", "adapt"),
            label=np.array(["gt2d"] * 2 * count),
        )


def test_rows_are_at_equal_distances_through_the_test_split(tmp_path: Path) -> None:
    write_sets(tmp_path)
    chosen = [(path.parent.parent.name, path.name) for path in chosen_photos(tmp_path)]
    assert chosen == [(name, f"{row}.png") for name in SETS for row in (11, 13, 15, 17, 19, 21)]


def test_the_picture_has_a_tile_for_each_photograph_also_without_a_hand(tmp_path: Path) -> None:
    write_sets(tmp_path)
    main(str(tmp_path), tmp_path / "picture.jpg")
    sheet = cv2.imread(str(tmp_path / "picture.jpg"))
    assert sheet.shape == (len(SETS) * TILE_PX, COLUMNS * TILE_PX, 3)
    assert abs(int(sheet[100, 100, 0]) - 128) < 5  # a tall photo stands left in its tile


def test_the_picture_of_the_repository_is_small_and_of_its_licences() -> None:
    """Every set that is shown is named in LICENSES.md with the licence that allows it."""
    assert PICTURE.stat().st_size < 400_000
    assert cv2.imread(str(PICTURE)).shape == (len(SETS) * TILE_PX, COLUMNS * TILE_PX, 3)
    text = (ROOT / "LICENSES.md").read_text()
    section = text.partition("### Photographs in the documentation\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \w+ \| `(\w+)`: .*\| ([\w.-]+), ", section, re.M)
    assert dict(rows) == SETS and {"MIT", "Apache-2.0"} == set(SETS.values())
    assert "Permission is hereby granted, free of charge" in section
