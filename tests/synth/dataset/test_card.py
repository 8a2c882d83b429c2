"""The dataset card: true to manifest and samples, the same each time, and no harm to the dataset."""

import dataclasses
import shlex

import numpy as np
import pytest

from synth.common.config import compose_config
from synth.common.licences import terms_of_renders
from synth.dataset import SampleStore, read_manifest
from synth.dataset.card import CARD_FILE, CardConfig, card, card_text, command, main
from synth.dataset.card_counts import take_census
from synth.dataset.manifest import new_manifest
from synth.dataset.verify import verify
from synth.generate import GenerateConfig, generate, kept_config
from synth.scene.gesture_views import load_gesture_views
from synth.scene.view import ViewOptions


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """First cell -> further cells of the table below a heading."""
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {first: rest for first, *rest in cells[2:]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("card") / "data"
    generate(GenerateConfig(out=str(out), num_samples=9, image_size=48, shard_size=5, workers=1, seed=2))
    return out


def test_generate_leaves_a_card_and_verify_does_not_mind(data):
    assert (data / CARD_FILE).read_text().startswith("# Rendered hands\n\n9 images of one hand each, 48 x 48 px")
    assert verify(data).faults == []


def test_a_card_that_is_missing_is_written_when_generate_is_repeated(data):
    before = (data / CARD_FILE).read_text()
    (data / CARD_FILE).unlink()
    generate(GenerateConfig(out=str(data), num_samples=9, image_size=48, shard_size=5, workers=2, seed=2))
    assert (data / CARD_FILE).read_text() == before


def test_the_verb_writes_the_same_card_again_and_touches_nothing_else(data):
    before = {f.name: f.read_bytes() for f in data.iterdir()}
    assert main([f"data={data}"]) == 0
    assert {f.name: f.read_bytes() for f in data.iterdir()} == before


def test_the_command_makes_the_same_dataset(data, tmp_path):
    manifest = read_manifest(data)
    words = shlex.split(command(manifest).replace("\\\n", " "))
    assert words[:3] == ["handbridge", "generate", "out=DIR"]
    config = compose_config("generate", GenerateConfig, [f"out={tmp_path / 'again'}", "workers=1", *words[3:]])
    assert [s.sha256 for s in generate(config).shards] == [s.sha256 for s in manifest.shards]


def test_an_option_with_spaces_and_quotes_survives_the_command(data):
    manifest = read_manifest(data)
    folder = "my photos/it's here (1)"
    config = manifest.config | {"background_dir": folder}
    changed = dataclasses.replace(manifest, config=config, licence_notes=terms_of_renders("a hand", config))
    words = shlex.split(command(changed).replace("\\\n", " "))
    assert compose_config("generate", GenerateConfig, words[2:]).background_dir == folder
    text = card_text(changed, take_census(SampleStore(data)[i] for i in range(9)))
    assert "background_dir=it's here (1): under its own terms" in text and "backgrounds: painted" not in text


def test_the_terms_of_a_folder_are_those_that_were_told_of_it():
    given = [
        "out=x",
        "scene.light.hdr_dir=some/sky",
        "skins=a/my_skins",
        "terms.hdr_dir=CC0 1.0, Poly Haven: it's free",
    ]
    config = kept_config(compose_config("generate", GenerateConfig, given))
    notes = terms_of_renders("a hand", config)
    assert "scene.light.hdr_dir=sky: CC0 1.0, Poly Haven: it's free (as the user told)" in notes
    assert "skins=my_skins: under its own terms" in str(notes) and not any(n.startswith("terms") for n in notes)
    manifest = new_manifest(config, "open", notes, [])
    again = compose_config("generate", GenerateConfig, shlex.split(command(manifest).replace("\\\n", " "))[2:])
    assert kept_config(again) == config


@pytest.mark.parametrize("terms", ["terms.hdr_dri=CC0", "terms.mesh_dir=CC0", "terms.hdr_dir= "])
def test_terms_of_no_folder_are_one_line(terms):
    with pytest.raises(ValueError, match=r"terms\.\w+=.*not legal: it must be told of a folder .*\(hdr_dir\)"):
        compose_config("generate", GenerateConfig, ["out=x", "scene.light.hdr_dir=sky", terms])


def test_shares_and_statistics_are_those_of_the_samples(data):
    samples = [SampleStore(data)[i] for i in range(9)]
    text = (data / CARD_FILE).read_text()
    factors = rows(text, "Factors")
    sleeves = np.mean([s.scene["sleeve"] for s in samples])
    assert factors["`scene.sleeve_share`"] == ["50 %", f"{100 * sleeves:.1f} %"]
    edges = np.mean([s.scene["photo_edge"] is not None for s in samples])
    assert factors["`scene.photo_edge_share`"][1] == f"{100 * edges:.1f} %"
    assert factors["`scene.photo_background_share`"][1] == "off without background_dir"
    assert factors["`rgb.jpeg_share`"][1] == "not noted in the samples"
    visible = [int(s.visible.sum()) for s in samples]
    found = rows(text, "Statistics")["visible joints of 21"]
    assert [float(found[0]), float(found[4])] == [min(visible), max(visible)]
    fills = sorted(np.ptp(s.joints_px, axis=0).max() for s in samples)
    assert float(rows(text, "Statistics")["longer side of the joints' box, px"][2]) == pytest.approx(fills[4], rel=5e-3)
    skins = rows(text, "What was drawn")["skin"]
    assert skins[0] == str(len({s.scene["skin"] for s in samples}))


def test_gestures_and_their_views_are_counted_together_beside_what_was_asked_for(data, sample):
    found = [("one", "gesture:lips"), ("one", "gesture:lips"), ("one", "uniform"), ("fist", "table")]
    scenes = [sample.scene | {"pose": f"gesture:{g}", "view": v} for g, v in found]
    scenes += [sample.scene | {"pose": "between:one-fist", "view": "side"}]
    census = take_census([dataclasses.replace(sample, scene=scene) for scene in scenes])
    assert census.gesture_views == {"one": {"gesture:lips": 2, "uniform": 1}, "fist": {"table": 1}}
    shown = ViewOptions(by_gesture=1)
    manifest = dataclasses.replace(read_manifest(data), gesture_views=load_gesture_views(shown).shares(shown))
    asked = manifest.gesture_views["one"]
    assert sum(asked.values()) == pytest.approx(1) and asked["uniform"] == pytest.approx(1 / 7)
    lips, uniform = (round(100 * asked[view]) for view in ("gesture:lips", "uniform"))
    told = rows(card_text(manifest, census), "Gestures and views")
    assert told["one"] == ["60.0 %", f"gesture:lips 67 % ({lips} %), uniform 33 % ({uniform} %)"]
    older = rows(card_text(dataclasses.replace(manifest, gesture_views={}), census), "Gestures and views")
    assert older["one"] == ["60.0 %", "gesture:lips 67 %, uniform 33 %"]


def test_licences_hand_and_versions_stand_in_the_card(data):
    text = (data / CARD_FILE).read_text()
    for phrase in (
        "MakeHuman",
        "skinning=lbs: the hands were posed with handbridge's own linear blend skinning (Apache-2.0)",
        "skins: the shipped ones",
        "backgrounds: painted",
        "generator version",
        "numba",
    ):
        assert phrase in text
    assert "smplx" not in text


def test_the_card_says_when_smplx_posed_the_hands_and_takes_older_datasets_for_such(data):
    manifest = read_manifest(data)
    census = take_census(SampleStore(data)[i] for i in range(9))
    older = {key: value for key, value in manifest.config.items() if key != "skinning"}
    for config in (manifest.config | {"skinning": "smplx"}, older):
        changed = dataclasses.replace(manifest, config=config, licence_notes=terms_of_renders("a hand", config))
        text = card_text(changed, census)
        assert "posed with smplx, whose licence is for non-commercial purposes only" in text
        assert "own linear blend skinning" not in text


def test_a_factor_that_is_new_is_counted_without_a_change(sample):
    scene = sample.scene | {"gloves": True, "weather": "rain:heavy", "wind_m_s": 3.5, "tattoo": None}
    census = take_census([dataclasses.replace(sample, scene=scene)])
    assert census.presence["gloves"] == 1 and census.presence["tattoo"] == 0
    assert census.shares("weather") == [("rain", 1.0)] and census.numbers["wind_m_s as drawn"] == [3.5]


def test_biases_follow_the_samples(dataset, sample):
    manifest = read_manifest(dataset)
    both = take_census([sample, dataclasses.replace(sample, handedness="left")])
    assert "1 right and 1 left hands" in card_text(manifest, both)
    assert "50 % left hands" in card_text(manifest, both)
    text = card_text(manifest, take_census([sample]))
    assert "Only right hands" in text and "textures are missing, such as s1" in text


def test_a_hand_that_the_image_does_not_show_is_left_out_of_the_numbers(sample):
    blank = dataclasses.replace(sample, segmentation=sample.segmentation * 0, depth_m=sample.depth_m * 0)
    census = take_census([blank, sample])
    assert len(census.numbers["nearest depth on the hand, m"]) == 1 and census.num_counted == 2


@pytest.mark.parametrize(
    ("options", "message"), [(["data=/none"], "data=/none does not exist"), (["data=x", "num_counted=0"], "above 0")]
)
def test_bad_input_is_one_line(options, message, capsys):
    assert main(options) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_fewer_samples_can_be_counted(data):
    text = card(CardConfig(data=str(data), num_counted=3)).read_text()
    assert "counted over 3 samples" in text
