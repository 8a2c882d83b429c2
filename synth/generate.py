"""``handbridge generate``: paired RGB, depth, segmentation and labels, in shards that any number of workers fill."""

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from tqdm import tqdm

from synth.common.config import check, option, required, stage_main
from synth.common.files import open_run_folder, require_writable
from synth.common.licences import short_key, terms_of_renders, users_folders
from synth.dataset.card import CARD_FILE, QUICK_COUNT, CardConfig, card
from synth.dataset.manifest import (
    GENERATOR_VERSION,
    MANIFEST_FILE,
    Manifest,
    ShardEntry,
    new_manifest,
    read_manifest,
    write_manifest,
)
from synth.dataset.sample import encode_sample
from synth.dataset.shards import shard_name
from synth.generation.executors import EXECUTORS, MakeShards
from synth.generation.progress import clear_progress, finished_shards, remove_leftovers
from synth.generation.ray_executor import AUTO
from synth.generation.sample_maker import MakerSettings, SampleMaker
from synth.generation.shard_task import ShardTask
from synth.hand import SKINNINGS, HandModel, PoseOptions, load_hand, load_pose_file
from synth.render import get_renderer
from synth.scene.arm.skin import list_skins
from synth.scene.arm.wrist_boundary import find_wrist_ring
from synth.scene.backgrounds.photos import check_photos, list_photos
from synth.scene.gesture_views import load_gesture_views
from synth.scene.lighting.panorama import check_panoramas, list_panoramas
from synth.scene.objects.mesh_library import check_meshes, list_meshes
from synth.scene.scene import SceneOptions
from synth.sensor import DEPTH_SENSORS, RgbOptions

FREE_KEYS = ("workers", "executor", "ray_address")
"""Keys that don't change the result."""
PROBE_SAMPLES = 4
"""Samples made before the start: they measure the space a sample takes, and compile the renderer once."""
DISK_SLACK = 1.3


@dataclass
class GenerateConfig:
    """Render hands with known pose, depth and segmentation into a dataset folder."""

    out: str = required("folder of the dataset")
    num_samples: int = option(14_000, "number of images")
    seed: int = option(0, "seed of the dataset; with a sample's index it determines the sample")
    image_size: int = option(192, "side of the square images, pixels")
    hand: str = option("open", "open (shipped), or an npz file in MANO's format")
    skinning: str = option("lbs", "who poses the hand: lbs (our own, Apache-2.0), or smplx (non-commercial)")
    renderer: str = option("raster", "renderer by name: raster, torch, pytorch3d or opengl")
    workers: int = option(2, "processes of executor=local; a Ray cluster takes all its CPUs")
    executor: str = option("local", "who makes the shards: local (this machine) or ray (a cluster)")
    ray_address: str = option(AUTO, "HOST:PORT of the Ray cluster's head; auto: the cluster this machine belongs to")
    shard_size: int = option(250, "images in each shard")
    background_dir: str = option("", "folder of photos for backgrounds; empty: painted ones only")
    skins: str = option("", "folder of skin textures in the hand's uv layout; empty: the shipped ones")
    depth_sensor: str = option("ideal", f"depth camera: {', '.join(DEPTH_SENSORS)}")
    poses: PoseOptions = option(PoseOptions(), "what the hands do")
    scene: SceneOptions = option(SceneOptions(), "what is drawn")
    rgb: RgbOptions = option(RgbOptions(), "the colour camera")
    terms: dict[str, str] = option({}, "terms of your folders, for the records: terms.hdr_dir=TEXT, terms.skins=TEXT")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        check(self.num_samples > 0, "num_samples", self.num_samples, "above 0")
        check(self.seed >= 0, "seed", self.seed, "at least 0")
        check(32 <= self.image_size <= 1024, "image_size", self.image_size, "in [32, 1024]")
        check(self.workers > 0, "workers", self.workers, "above 0")
        check(self.skinning in SKINNINGS, "skinning", self.skinning, f"one of {', '.join(SKINNINGS)}")
        check(self.shard_size > 0, "shard_size", self.shard_size, "above 0")
        check(self.executor in EXECUTORS, "executor", self.executor, f"one of {', '.join(EXECUTORS)}")
        known = self.depth_sensor in DEPTH_SENSORS
        check(known, "depth_sensor", self.depth_sensor, f"one of {', '.join(DEPTH_SENSORS)}")
        _check_terms(self)


def _check_terms(cfg: GenerateConfig) -> None:
    """Terms are told of folders that are there, or a slip of the pen would leave one without."""
    named = [short_key(key) for key, _ in users_folders(asdict(cfg))]
    for key, text in cfg.terms.items():
        legal = (
            f"told of a folder that is given, by the last part of its option ({', '.join(named) or 'none is given'})"
        )
        check(key in named and bool(text.strip()), f"terms.{key}", text, legal)


def generate(cfg: GenerateConfig) -> Manifest:
    """Make the dataset, or what of it is not there yet.

    The bytes depend on the config without ``FREE_KEYS``; a run that was stopped at any moment ends,
    when it is repeated, with the same files.

    Raises:
        ValueError: for an unusable config, a folder with another run's samples, a full disk, or a cluster that does
            not answer.
        FileNotFoundError: for missing photos, skins, poses or hand.
    """
    settings = maker_settings(cfg)
    if (Path(cfg.out).expanduser() / MANIFEST_FILE).is_file() and not cfg.overwrite:
        return _finished(_open_folder(cfg))
    with EXECUTORS[cfg.executor](cfg.workers, cfg.ray_address) as make_shards:
        out = _open_folder(cfg)
        shards = _fill(cfg, settings, out, make_shards)
    arrays = load_hand(cfg.hand)
    kept = kept_config(cfg)
    manifest = new_manifest(
        kept,
        arrays.name,
        terms_of_renders(arrays.licence, kept),
        shards,
        fingertip_vertices=arrays.tip_vertex_ids,
        gesture_views=load_gesture_views(cfg.scene.view).shares(cfg.scene.view),
    )
    remove_leftovers(out)
    write_manifest(out, manifest)
    clear_progress(out)
    card(CardConfig(data=str(out), num_counted=QUICK_COUNT))
    return manifest


def _open_folder(cfg: GenerateConfig) -> Path:
    # absolute: a worker on another machine starts in a folder of its own
    return open_run_folder(cfg.out, cfg, overwrite=cfg.overwrite, free_keys=FREE_KEYS).absolute()


def _fill(cfg: GenerateConfig, settings: MakerSettings, out: Path, make_shards: MakeShards) -> list[ShardEntry]:
    """Have the missing shards made; the entries of all, in order."""
    remove_leftovers(out)
    tasks = [_task(cfg, settings, out, number) for number in range(-(-cfg.num_samples // cfg.shard_size))]
    done = finished_shards(out)
    missing = [task for task in tasks if task.path.name not in done]
    if missing:
        require_writable(out, need_bytes=_needed_bytes(settings, cfg.seed, missing))
    with tqdm(total=cfg.num_samples, initial=sum(e.num_samples for e in done.values()), unit="image") as bar:
        for entry in make_shards(missing):
            done[entry.name] = entry
            bar.update(entry.num_samples)
    return [done[task.path.name] for task in tasks]


def maker_settings(cfg: GenerateConfig) -> MakerSettings:
    """What a sample depends on, with every file that the config names looked at.

    Raises:
        ValueError: for an unknown hand or renderer, a hand that no arm can be joined to, a skinning or renderer that
            does not work here, or an unreadable picture, file of poses or table of views.
        FileNotFoundError: for missing files.
    """
    arrays = load_hand(cfg.hand)
    find_wrist_ring(arrays.faces, arrays.v_template)
    load_pose_file(cfg.poses, arrays)
    load_gesture_views(cfg.scene.view)
    HandModel(arrays, cfg.skinning)
    get_renderer(cfg.renderer)()  # both made here once, so that what they lack ends the run before it starts
    if cfg.skins:
        check_photos(list_skins(cfg.skins), "skins")
    photos = list_photos(cfg.background_dir) if cfg.background_dir else []
    check_photos(photos)
    hdr_dir = cfg.scene.light.hdr_dir
    panoramas = list_panoramas(hdr_dir, "scene.light.hdr_dir") if hdr_dir else []
    check_panoramas(panoramas, "scene.light.hdr_dir")
    texture_dir = cfg.scene.background.texture_dir
    textures = list_photos(texture_dir, "scene.background.texture_dir") if texture_dir else []
    check_photos(textures, "scene.background.texture_dir")
    mesh_dir = cfg.scene.occluder.mesh_dir
    meshes = list_meshes(mesh_dir, "scene.occluder.mesh_dir") if mesh_dir else []
    check_meshes(meshes, "scene.occluder.mesh_dir")
    return MakerSettings(
        image_size=cfg.image_size,
        hand=cfg.hand,
        skinning=cfg.skinning,
        renderer=cfg.renderer,
        skins=cfg.skins,
        photos=photos,
        panoramas=panoramas,
        textures=textures,
        meshes=meshes,
        poses=cfg.poses,
        scene=cfg.scene,
        rgb=cfg.rgb,
        depth_sensor=cfg.depth_sensor,
    )


def _task(cfg: GenerateConfig, settings: MakerSettings, out: Path, number: int) -> ShardTask:
    first = number * cfg.shard_size
    last = min(first + cfg.shard_size, cfg.num_samples)
    return ShardTask(out / shard_name(number), first, last, cfg.seed, settings)


def _needed_bytes(settings: MakerSettings, seed: int, missing: list[ShardTask]) -> int:
    first = missing[0].first
    last = min(missing[0].last, first + PROBE_SAMPLES)
    probe = SampleMaker(settings, seed).samples(first, last)
    sizes = [sum(len(m) + 1024 for m in encode_sample(s).values()) for s in itertools.islice(probe, PROBE_SAMPLES)]
    return int(DISK_SLACK * max(sizes) * sum(task.last - task.first for task in missing))


def kept_config(cfg: GenerateConfig) -> dict[str, Any]:
    """The options that the result depends on, as the manifest keeps them."""
    resolved = OmegaConf.to_container(OmegaConf.structured(cfg))
    assert isinstance(resolved, dict)
    return {str(k): v for k, v in resolved.items() if k not in (*FREE_KEYS, "out", "overwrite")}


def _finished(out: Path) -> Manifest:
    manifest = read_manifest(out)
    if manifest.generator_version != GENERATOR_VERSION:
        raise ValueError(
            f"out={out} was made by generator version {manifest.generator_version}, this is {GENERATOR_VERSION}; "
            f"choose another out or add overwrite=true"
        )
    damaged = [e.name for e in manifest.shards if not _has_size(out / e.name, e.num_bytes)]
    if damaged:
        raise ValueError(f"out={out} lacks or has damaged {', '.join(damaged[:3])}; add overwrite=true")
    if not (out / CARD_FILE).exists():
        card(CardConfig(data=str(out), num_counted=QUICK_COUNT))
    return manifest


def _has_size(file: Path, num_bytes: int) -> bool:
    return file.is_file() and file.stat().st_size == num_bytes


main = stage_main("generate", GenerateConfig, generate)

if __name__ == "__main__":
    raise SystemExit(main())
