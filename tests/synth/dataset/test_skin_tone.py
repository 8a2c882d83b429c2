import numpy as np
import pytest
from skimage.color import lab2rgb

from synth.dataset.skin_tone import skin_angles_deg, tone_group, typology_angle_deg
from synth.hand import skin_files


@pytest.mark.parametrize(
    ("lightness", "yellow", "angle", "group"),
    [
        (70, 14, 55.0, "light"),
        (50, 15, 0.0, "brown"),
        (30, 20, -45.0, "dark"),
        (65, 15, 45.0, "light"),
        (60, 20, 26.565, "tan"),
        (75, 14, 60.751, "very light"),
        (62, 18, 33.690, "intermediate"),
    ],
)
def test_the_angle_of_a_colour(lightness, yellow, angle, group):
    srgb = lab2rgb(np.array([[[lightness, 12.0, yellow]]]))[0, 0]
    assert typology_angle_deg(srgb) == pytest.approx(angle, abs=0.3)
    assert tone_group(angle) == group


def test_groups_end_where_the_literature_says():
    assert [tone_group(a) for a in (55.1, 55.0, 41.0, 28.0, 10.0, -30.0, -90.0)] == [
        "very light", "light", "intermediate", "tan", "brown", "dark", "dark",
    ]  # fmt: skip


def test_the_shipped_skins_span_all_but_the_extremes():
    angles = skin_angles_deg("", [f.stem for f in skin_files()])
    assert len(angles) == 24 and max(angles.values()) > 45 and min(angles.values()) < -30
    assert skin_angles_deg("", ["proc_03"]) == {"proc_03": angles["proc_03"]}


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no picture"):
        skin_angles_deg(str(tmp_path), ["a"])
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"a\.png cannot be read"):
        skin_angles_deg(str(tmp_path), ["a"])
