import numpy as np
import pytest
import trimesh
from PIL import Image

from synth.scene.objects.mesh_library import MAX_FACES, TAKEN_AS_M, Meshes, check_meshes, list_meshes, read_mesh
from synth.scene.objects.object_mesh import face_normals

BOX_M = (0.2, 0.1, 0.05)


def is_turned_outwards(thing):
    """Of a convex thing about the origin."""
    return ((thing.verts[thing.faces].mean(1) * face_normals(thing.verts, thing.faces)).sum(1) > 0).all()


@pytest.mark.parametrize("suffix", ["ply", "obj", "glb", "stl", "off"])
def test_each_format_gives_the_same_box_along_its_axes(tmp_path, suffix):
    box = trimesh.creation.box(extents=(BOX_M[2], BOX_M[0], BOX_M[1]))
    box.apply_transform(trimesh.transformations.random_rotation_matrix(np.array([0.3, 0.5, 0.7])))
    box.export(tmp_path / f"a.{suffix}")
    thing = read_mesh(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(thing.size_m, BOX_M, atol=1e-5)
    assert thing.name == "mesh:a" and thing.colours is None and thing.texture is None
    assert len(thing.verts) == 24 and is_turned_outwards(thing)  # three at each corner: its sides stay flat


def test_npz_meshes_keep_their_colours_and_inside_out_ones_are_turned(tmp_path):
    ball = trimesh.creation.icosphere(2, 0.03)
    rgb = np.random.default_rng(0).integers(0, 256, (len(ball.vertices), 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", verts=ball.vertices, faces=np.asarray(ball.faces)[:, ::-1], rgb=rgb)
    thing = read_mesh(tmp_path / "a.npz")
    assert is_turned_outwards(thing)
    linear = (rgb / 255) ** 2.2
    assert thing.colours is not None
    np.testing.assert_allclose(np.sort(thing.colours, 0), np.sort(linear, 0))


@pytest.mark.parametrize("suffix", ["obj", "glb"])
def test_a_texture_comes_with_its_coordinates(tmp_path, suffix):
    verts = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0.08, 0], [0, 0.08, 0.0]])
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32], picture[32:] = (250, 0, 0), (0, 0, 250)  # red above, v near 1
    visual = trimesh.visual.TextureVisuals(uv=verts[:, :2] / [0.1, 0.08], image=Image.fromarray(picture))
    sheet = trimesh.Trimesh(verts, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False)
    sheet.export(tmp_path / f"a.{suffix}")
    thing = read_mesh(tmp_path / f"a.{suffix}")
    assert thing.texture is not None and thing.colours is not None
    red = thing.colours[:, 0] > thing.colours[:, 2]
    assert red.any() and (~red).any()
    row = ((1 - thing.uv[:, 1]) * (len(thing.texture) - 1)).astype(int)
    assert ((thing.texture[row, 5, 0] > 128) == red).all()


def test_an_open_mesh_is_seen_from_both_sides(tmp_path):
    np.savez(tmp_path / "a.npz", verts=np.eye(3) * 0.1, faces=np.array([[0, 1, 2]]))
    thing = read_mesh(tmp_path / "a.npz")
    front, back = face_normals(thing.verts, thing.faces)
    np.testing.assert_allclose(front, -back, atol=1e-12)
    assert len(np.unique(thing.faces)) == 6  # no vertex of both, whose normals would cancel


def test_fine_meshes_become_coarser_and_other_units_metres(tmp_path):
    trimesh.creation.icosphere(5, 40.0).export(tmp_path / "a.stl")  # a ball of 80 mm written in millimetres
    thing = read_mesh(tmp_path / "a.stl")
    assert MAX_FACES / 4 < len(thing.faces) <= 2 * MAX_FACES
    np.testing.assert_allclose(thing.size_m, TAKEN_AS_M, rtol=0.06)


def test_the_same_draw_gives_the_same_mesh(tmp_path):
    for k in range(3):
        trimesh.creation.box(extents=(0.1, 0.05, 0.02 + 0.01 * k)).export(tmp_path / f"{k}.ply")
    files = list_meshes(str(tmp_path), "scene.occluder.mesh_dir")
    one, other = Meshes(files), Meshes(files)
    names = [one.sample(np.random.default_rng(k)).name for k in range(8)]
    assert names == [other.sample(np.random.default_rng(k)).name for k in range(8)] and len(set(names)) > 1


def spoil(folder, kind):
    verts, faces = np.eye(3) * 0.1, np.array([[0, 1, 2]])
    arrays = {
        "nan": {"verts": verts * np.nan, "faces": faces},
        "no faces": {"verts": verts, "faces": faces[:0]},
        "lost": {"verts": verts, "faces": faces + 1},
        "point": {"verts": verts * 0, "faces": faces},
        "rgb": {"verts": verts, "faces": faces, "rgb": np.zeros((2, 3), np.uint8)},
        "bare": {"faces": faces},
    }
    if kind in arrays:
        np.savez(folder / "a.npz", **arrays[kind])
    elif kind == "words":
        (folder / "a.obj").write_text("hello\n")
    else:
        (folder / f"a.{kind}").write_bytes(b"hello")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "a.npz has a vertex that is nan or inf"),
        ("no faces", "a.npz has no faces"),
        ("lost", "a.npz has a face with a vertex that does not exist"),
        ("point", "a.npz has faces without any extent"),
        ("rgb", "rgb has shape (2, 3), and it must be (3, 3) like verts"),
        ("bare", "a.npz has no array verts"),
        ("words", "a.obj"),
        *((suffix, f"a.{suffix}") for suffix in ("ply", "glb", "stl", "off", "npz")),
    ],
)
def test_a_spoilt_file_is_named_in_one_line(tmp_path, kind, message):
    spoil(tmp_path, kind)
    with pytest.raises(ValueError) as caught:
        check_meshes(list_meshes(str(tmp_path), "scene.occluder.mesh_dir"), "scene.occluder.mesh_dir")
    line = str(caught.value)
    assert line.startswith("scene.occluder.mesh_dir: ") and message in line and "\n" not in line


def test_a_folder_without_meshes_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mesh_dir=.* holds no mesh"):
        list_meshes(str(tmp_path), "scene.occluder.mesh_dir")
