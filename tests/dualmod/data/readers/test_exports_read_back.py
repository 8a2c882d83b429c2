"""What ``export`` writes and what the readers read agree, through files alone."""

import numpy as np
import pytest

from dualmod.data.readers import load_reader
from synth.common.conventions import RIGHT
from synth.dataset import SampleStore, iterate
from synth.export import ExportConfig, export


@pytest.mark.parametrize(
    ("name", "split", "shown", "px", "mm"),
    [("freihand", "train", 0, 0.1, 0.1), ("rhd", "train", 17, 0.1, 0.1), ("coco", "test", 1, 0.01, 0.01)],
)
def test_an_export_read_back_is_the_dataset(tiny_data, tmp_path, name, split, shown, px, mm):
    folder = export(ExportConfig(data=str(tiny_data), out=str(tmp_path / name), format=name))
    labelled, store = load_reader(name)(folder).labelled(split), SampleStore(tiny_data)
    assert len(labelled) == sum(s.visible.sum() >= shown for s in iterate(tiny_data)) > 3
    assert set(labelled.handedness) == {RIGHT}
    for row, file in enumerate(labelled.files):
        sample = store[int(file.rpartition("/")[2].partition(".")[0])]
        seen = labelled.visible[row]
        assert np.abs(labelled.joints_px[row][seen] - sample.joints_px[seen]).max() < px
        assert 1000 * np.abs(labelled.joints_cam[row] - sample.joints_cam).max() < mm
        np.testing.assert_allclose(labelled.K[row], sample.K, atol=1e-3)
        assert labelled.image(row).shape == sample.rgb.shape
