"""A made-up hand, and the public datasets' layouts with it: written from their documentation, not from the readers.

Joint j of our order lies at (0.01 j, -0.005 j, 0.5) m, so that K = (100, 100, 10, 20) puts it at (10 + 2j, 20 - j) px.
"""

import io
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import yaml
from scipy.io import savemat

from synth.common.conventions import JOINT_NAMES

PLACES = np.arange(21.0)
HAND_M = np.stack([0.01 * PLACES, -0.005 * PLACES, np.full(21, 0.5)], 1)
HAND_PX = np.stack([10 + 2 * PLACES, 20 - PLACES], 1)
K = np.array([[100.0, 0, 10], [0, 100, 20], [0, 0, 1]])

FINGERS = ("thumb", "index", "middle", "ring", "little")


def chain(finger: str) -> list[str]:
    """A finger's joints from the base to the tip."""
    return [f"{finger}_{joint}" for joint in (("cmc", "mcp", "ip", "tip") if finger == "thumb" else
                                              ("mcp", "pip", "dip", "tip"))]  # fmt: skip


RHD_ORDER = ["wrist", *(joint for f in FINGERS for joint in reversed(chain(f)))]
STB_ORDER = ["wrist", *(joint for f in reversed(FINGERS) for joint in chain(f))]
MVHAND_ORDER = ["wrist", *(joint for f in (*FINGERS[1:], "thumb") for joint in chain(f))]
INTERHAND_ORDER = [*(joint for f in FINGERS for joint in reversed(chain(f))), "wrist"]
MANO_ORDER = [
    "wrist",
    *(joint for f in ("index", "middle", "little", "ring", "thumb") for joint in chain(f)[:3]),
    *(f"{f}_tip" for f in FINGERS),
]


def ordered(values: np.ndarray, order: list[str]) -> np.ndarray:
    """Rows of our order in that of a list of names."""
    return values[[JOINT_NAMES.index(name) for name in order]]


def image(path: Path, grey: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((48, 64, 3), grey, np.uint8))


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def freihand(root: Path) -> list[str]:
    for native, count, versions in (("training", 2, 4), ("evaluation", 1, 1)):
        hands = [HAND_M + np.array([0, 0, 0.1 * i]) for i in range(count)]
        write_json(root / f"{native}_xyz.json", [h.tolist() for h in hands])
        write_json(root / f"{native}_K.json", [K.tolist()] * count)
        for i in range(count):
            for version in range(versions):
                image(root / native / "rgb" / f"{32560 * version + i:08d}.jpg", 40 * version + i)
    return [f"{native}_{part}.json" for native in ("training", "evaluation") for part in ("xyz", "K")]


def rhd(root: Path) -> list[str]:
    hand_uv = np.concatenate([ordered(HAND_PX, RHD_ORDER), np.ones((21, 1))], 1)
    hidden = hand_uv * [1, 1, 0]
    some_hidden = hand_uv.copy()
    some_hidden[1:5, 2] = 0  # the thumb
    xyz = np.concatenate([ordered(HAND_M, RHD_ORDER), ordered(HAND_M + np.array([0.1, 0, 0]), RHD_ORDER)]).astype(
        np.float32
    )
    for native in ("training", "evaluation"):
        records = {
            0: {"uv_vis": np.concatenate([hand_uv, hand_uv + np.array([20, 0, 0])]), "xyz": xyz, "K": K},
            1: {"uv_vis": np.concatenate([hidden, some_hidden + np.array([20, 0, 0])]), "xyz": xyz, "K": K},
        }
        for number in records:
            image(root / native / "color" / f"{number:05d}.png", 30 + number)
        (root / native / f"anno_{native}.pickle").write_bytes(pickle.dumps(records, protocol=2))
    return ["training/anno_training.pickle", "evaluation/anno_evaluation.pickle"]


def stb(root: Path) -> list[str]:
    """In the left Bumblebee camera the hand; in the depth camera all joints half a metre ahead of the colour one."""
    labels = []
    ahead = np.tile([-24.0381, -0.4563, -1.2326 + 500.0], (21, 1))
    for sequence in [f"B{k}{kind}" for k in range(1, 7) for kind in ("Counting", "Random")]:
        for camera, hand_mm in (("SK", ahead), ("BB", 1000 * ordered(HAND_M, STB_ORDER))):
            labels.append(f"labels/{sequence}_{camera}.mat")
            (root / labels[-1]).parent.mkdir(parents=True, exist_ok=True)
            savemat(root / labels[-1], {"handPara": np.stack([hand_mm.T] * 11, 2)})
        for k in range(11):
            image(root / f"images/{sequence}/SK_color_{k}.png", k)
            image(root / f"images/{sequence}/BB_left_{k}.png", k)
            image(root / f"images/{sequence}/SK_depth_{k}.png", k)
    return labels


def h3d(root: Path) -> list[str]:
    samples = []
    for part in range(1, 6):
        for k in range(4):
            name = f"part{part}/hand_{k}.jpg"
            image(root / "H3D_crop" / name, 10 * part + k)
            samples.append({"name": name, "keypoint2d": HAND_PX.tolist(), "keypoint3d": (7 * HAND_M).tolist(),
                            "intrinsic_matrix": K.tolist(), "without_object": "1" if k else "0"})  # fmt: skip
    write_json(root / "H3D_crop" / "annotation.json", samples)
    return ["H3D_crop/annotation.json"]


def mvhand(root: Path) -> list[str]:
    """Camera 0 is the world; camera 2 stands 100 mm to its right, half a metre back."""
    labels, serials = [], ("840412062035", "840412062037", "840412062038", "840412062076")
    poses = {serial: np.eye(4) for serial in serials}
    poses["840412062038"][:3, 3] = [100, 0, -500]
    joints = np.concatenate([1000 * ordered(HAND_M, MVHAND_ORDER), np.ones((21, 1))], 1)
    for name in ("7-14-1-2", "9-10-1-2", "9-17-1-2", "9-25-1-2"):
        (root / name / "mlresults").mkdir(parents=True)
        (root / name / "calib.pkl").write_bytes(pickle.dumps(poses, protocol=2))
        np.save(root / name / "mlresults" / f"{name}-joints.npy", np.stack([joints] * 2).reshape(2, 21, 4, 1))
        labels += [f"{name}/calib.pkl", f"{name}/mlresults/{name}-joints.npy"]
        for frame in range(2):
            for view in range(4):
                image(root / name / "rgb" / f"{frame:05d}_{view}.jpg", 10 * frame + view)
    return labels


def ho3d(root: Path) -> list[str]:
    in_opengl = ordered(HAND_M, MANO_ORDER) * [1, -1, -1]
    annotated = {"camMat": K, "handJoints3D": in_opengl, "objName": "003_cracker_box", "objLabel": 3}
    unannotated = dict.fromkeys(annotated)
    root_only = {"camMat": K, "handJoints3D": in_opengl[0], "handBoundingBox": [5, 6, 55, 46]}
    frames = {"train": {"MC1/0000": annotated, "MC1/0001": unannotated}, "evaluation": {"SM1/0000": root_only}}
    labels = []
    for native, metas in frames.items():
        for frame, meta in metas.items():
            sequence, number = frame.split("/")
            image(root / native / sequence / "rgb" / f"{number}.{'png' if native == 'train' else 'jpg'}")
            labels.append(f"{native}/{sequence}/meta/{number}.pkl")
            (root / labels[-1]).parent.mkdir(parents=True, exist_ok=True)
            (root / labels[-1]).write_bytes(pickle.dumps(meta, protocol=2))
        (root / f"{native}.txt").write_text("\n".join(metas))
    write_json(root / "evaluation_xyz.json", [in_opengl.tolist()])
    return [*labels, "train.txt", "evaluation.txt", "evaluation_xyz.json"]


def dexycb(root: Path) -> list[str]:
    """Two people, of whose hundred sequences the twenty of the split s0_val have one camera with two frames each."""
    labels, npz = [], {}
    for frame, joints in enumerate((HAND_M[None], np.full((1, 21, 3), -1.0))):
        content = io.BytesIO()
        np.savez(content, joint_3d=joints.astype(np.float32))
        npz[frame] = content.getvalue()
    for subject, side in (("20200709-subject-01", "right"), ("20200813-subject-02", "left")):
        for place in range(100):
            sequence = root / subject / f"2020_{place:06d}"
            sequence.mkdir(parents=True)
            if place % 5 != 4:
                continue
            (sequence / "meta.yml").write_text(yaml.safe_dump({"mano_sides": [side], "num_frames": 2}))
            labels.append((sequence / "meta.yml").relative_to(root).as_posix())
            for serial in ("836212060125", "839512060362", "840412060917", "841412060263", "932122060857",
                           "932122060861", "932122061900", "932122062010"):  # fmt: skip
                folder = sequence / serial
                folder.mkdir()
                for frame in range(2 if serial == "836212060125" else 1):
                    (folder / f"color_{frame:06d}.jpg").write_bytes(TINY_JPEG)
                    (folder / f"labels_{frame:06d}.npz").write_bytes(npz[frame])
                    labels.append((folder / f"labels_{frame:06d}.npz").relative_to(root).as_posix())
    folder = root / "calibration" / "intrinsics"
    folder.mkdir(parents=True)
    for serial in ("836212060125", "839512060362", "840412060917", "841412060263", "932122060857", "932122060861",
                   "932122061900", "932122062010"):  # fmt: skip
        content = {"color": {"fx": 100.0, "fy": 100.0, "ppx": 10.0, "ppy": 20.0}, "depth": {}}
        (folder / f"{serial}_640x480.yml").write_text(yaml.safe_dump(content))
    return labels


def interhand(root: Path) -> list[str]:
    """World x is the camera's z: the camera stands at (1000, 0, 0) mm and looks at the origin's side of 500 mm."""
    R = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    campos = np.array([1000.0, 0, 0])
    world = 1000 * HAND_M @ R + campos
    left = world + np.array([0, 50, 0])
    hands = np.concatenate([ordered(world, INTERHAND_ORDER), ordered(left, INTERHAND_ORDER)])
    valid = np.ones(42, int)
    some = valid.copy()
    some[21] = 0  # the left thumb's tip
    labels = []
    for native in ("train", "val", "test"):
        names = {0: "Capture0/ROM03_RT_No_Occlusion", 1: "Capture0/ROM03_LT_No_Occlusion",
                 2: "Capture0/ROM01_No_Interaction_2_Hand",
                 3: "Capture0/ROM09_Interaction_Fingers_Touching"}  # fmt: skip
        images = [{"id": i, "file_name": f"{name}/cam400262/image{i}.jpg", "capture": 0, "camera": "400262",
                   "frame_idx": i, "width": 64, "height": 48} for i, name in names.items()]  # fmt: skip
        kinds = [("right", valid), ("left", some), ("interacting", valid), ("interacting", valid)]
        annotations = [{"id": i, "image_id": i, "hand_type": kind, "joint_valid": v.reshape(42, 1).tolist(),
                        "bbox": [0, 0, 10, 10]} for i, (kind, v) in enumerate(kinds)]  # fmt: skip
        camera = {"campos": {"400262": campos.tolist()}, "camrot": {"400262": R.tolist()},
                  "focal": {"400262": [100, 100]}, "princpt": {"400262": [10, 20]}}  # fmt: skip
        contents = {
            "data": {"images": images, "annotations": annotations},
            "camera": {"0": camera},
            "joint_3d": {"0": {str(i): {"world_coord": hands.tolist()} for i in names}},
        }
        for part, content in contents.items():
            labels.append(f"annotations/{native}/InterHand2.6M_{native}_{part}.json")
            write_json(root / labels[-1], content)
        for found in images:
            image(root / "images" / native / found["file_name"])
    return labels


def onehand10k(root: Path) -> list[str]:
    for native in ("Train", "Test"):
        hidden = HAND_PX.copy()
        hidden[20] = -1
        lines = [
            f"{k}.jpg,64,48,1," + ",".join(str(int(v)) for v in joints.ravel())
            for k, joints in enumerate((HAND_PX, hidden))
        ]
        for k in range(2):
            image(root / native / "source" / f"{k}.jpg", k)
        (root / native / "label_joint.txt").write_text("\n".join(lines) + "\n")
    return ["Train/label_joint.txt", "Test/label_joint.txt"]


def coco(root: Path) -> list[str]:
    """COCO-WholeBody: a person with both hands labelled, one of whom lacks the wrist, and one with none."""
    left, right = (np.concatenate([HAND_PX + np.array([shift, 0]), np.ones((21, 1))], 1) for shift in (0, 5))
    right[0] = 0
    for native in ("train", "val"):
        person = {
            "id": 1, "image_id": 139, "keypoints": [0] * 51, "bbox": [0, 0, 60, 40],
            "lefthand_kpts": left.ravel().tolist(), "lefthand_box": [10, 0, 40, 20], "lefthand_valid": True,
            "righthand_kpts": right.ravel().tolist(), "righthand_box": [17, 0, 38, 19], "righthand_valid": True,
        }  # fmt: skip
        nobody = {**person, "id": 2, "lefthand_valid": False, "righthand_valid": False}
        images = [{"id": 139, "file_name": "000000000139.jpg", "width": 64, "height": 48}]
        write_json(root / f"annotations/coco_wholebody_{native}_v1.0.json",
                   {"images": images, "annotations": [person, nobody]})  # fmt: skip
        image(root / f"{native}2017" / "000000000139.jpg", 20 if native == "train" else 200)
    return [f"annotations/coco_wholebody_{native}_v1.0.json" for native in ("train", "val")]


def cmu(root: Path) -> list[str]:
    labels = []
    for native in ("manual_train", "manual_test"):
        for k, is_left in enumerate((1, 0)):
            points = np.concatenate([HAND_PX, np.ones((21, 1))], 1)
            points[4] = 0
            image(root / native / f"hand_{k}.jpg", k)
            labels.append(f"{native}/hand_{k}.json")
            write_json(root / labels[-1], {"hand_pts": points.tolist(), "is_left": is_left})
    return labels


def folder(root: Path) -> list[str]:
    for k in range(3):
        image(root / "album" / f"{k}.jpg", k)
    return []


WRITERS = {
    f.__name__: f for f in (freihand, rhd, stb, h3d, mvhand, ho3d, dexycb, interhand, onehand10k, coco, cmu, folder)
}
"""A function for each reader of a folder: writes the layout below a folder and returns the label files."""

TINY_JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
