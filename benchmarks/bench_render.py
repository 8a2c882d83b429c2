"""Images per core-second: the default renderer alone, the torch rasteriser (depth and face ids only), the whole way to
disk, and stock pyrender on the same scenes. Where there is a CUDA device, images per second of the torch rasteriser and
of pytorch3d's on it.

Each row is the median over several passes, all in one process, of images divided by the CPU time they took; the rows
stand side by side because CPU times of two runs on a shared machine need not compare.

    python benchmarks/bench_render.py [IMAGES]
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from synth.common.config import compose_config
from synth.common.optional import MissingPartError
from synth.dataset.sample import encode_sample
from synth.dataset.shards import shard_name
from synth.generate import GenerateConfig, maker_settings
from synth.generation.sample_maker import SampleMaker
from synth.generation.shard_task import ShardTask, make_shard
from synth.hand import HandModel, load_hand
from synth.render import RenderScene, get_renderer
from synth.render.torch_backend.rasterize import rasterise
from synth.render.torch_backend.scene_batch import SceneBatch, batch_scenes
from synth.scene.arm.skin import load_skins
from synth.scene.objects.interactions import OccluderOptions
from synth.scene.scene import SceneOptions, SceneSampler

SIZES_PX = (128, 224, 256)
PASSES = 5
TORCH_BATCH = 8
"""Scenes in one call of the torch rasteriser on the CPU; its arrays then fit into the caches."""
CUDA_BATCH = 256
CUDA_SIZE_PX = 224
MEMORY_IMAGES, SETTLED_IMAGES = 20_000, 1_000
"""Images that memory is watched over, and after how many of them the first look is taken: caches are full then."""
GENERATE = "generate to disk, "
NO_COMPANY = ("scene.occluder_share=0", "scene.occluder.held_share=0", "scene.second_hand_share=0")
SCENES = {
    "one hand": ("scene.arm.on=false", *NO_COMPANY),
    "arm and thing in front": (*NO_COMPANY, "scene.occluder_share=1"),
    "as it is by default": (),
}
EGL_PACKAGES = "apt-get install libegl1 libgl1 libxrender1"


def draw_scenes(count: int, size_px: int) -> list[RenderScene]:
    """The first scenes of a dataset with seed 0."""
    arrays = load_hand("open")
    model = HandModel(arrays)
    options = SceneOptions(occluder=OccluderOptions(held_share=0))  # a batch shares one mesh
    sampler = SceneSampler(arrays, load_skins(""), None, size_px=size_px, options=options)
    scenes = []
    for index in range(count):
        rng = np.random.default_rng([0, index])
        draft = sampler.draft(rng)
        pose_aa, betas = (torch.from_numpy(a[None].astype(np.float32)) for a in (draft.pose_aa, draft.betas))
        with torch.no_grad():
            mesh = model(pose_aa, betas, torch.zeros(1, 3))
        scenes.append(sampler.sample(rng, draft, mesh.verts[0].numpy(), mesh.joints[0].double().numpy()).render)
    return scenes


def images_per_core_second(render: Callable[[RenderScene], object], scenes: list[RenderScene]) -> float:
    """Median rate over ``PASSES`` passes, after one scene to warm up."""
    render(scenes[0])
    rates = []
    for _ in range(PASSES):
        start = time.process_time()
        for scene in scenes:
            render(scene)
        rates.append(len(scenes) / (time.process_time() - start))
    return statistics.median(rates)


def torch_raster_rate(scenes: list[RenderScene]) -> float:
    """Images per core-second of the torch rasteriser, ``TORCH_BATCH`` scenes at a time."""
    batches = [batch_scenes(scenes[i : i + TORCH_BATCH]) for i in range(0, len(scenes), TORCH_BATCH)]
    _rasterise(batches[0])
    rates = []
    for _ in range(PASSES):
        start = time.process_time()
        for batch in batches:
            _rasterise(batch)
        rates.append(len(scenes) / (time.process_time() - start))
    return statistics.median(rates)


def _rasterise(batch: SceneBatch) -> None:
    rasterise(batch.verts_cam, batch.faces, batch.K, *batch.image_size)


def cuda_lines() -> list[str]:
    """Images per second of both rasterisers on the CUDA device, in one run; nothing where there is none."""
    if not torch.cuda.is_available():
        return []
    scenes = draw_scenes(CUDA_BATCH, CUDA_SIZE_PX)
    batch = batch_scenes(scenes, "cuda")
    note = f"batch {CUDA_BATCH}, {CUDA_SIZE_PX} px, {torch.cuda.get_device_name()}"
    lines = [f"torch rasteriser: {_cuda_rate(lambda: _rasterise(batch), len(scenes)):.0f} images/s ({note})"]
    try:
        from synth.render.pytorch3d_backend import convert as parts

        p3d, size = parts.load_pytorch3d(), batch.image_size
        theirs = _cuda_rate(
            lambda: parts.their_fragments(p3d, batch.verts_cam, batch.faces, batch.K, *size), len(scenes)
        )
        lines.append(f"pytorch3d's rasteriser: {theirs:.0f} images/s ({note})")
    except (MissingPartError, RuntimeError) as error:  # RuntimeError: a build without CUDA
        lines.append(f"pytorch3d's rasteriser skipped ({' '.join(str(error).split())[:200]})")
    return lines


def _cuda_rate(run: Callable[[], object], count: int) -> float:
    """Median images per wall-clock second over ``PASSES`` passes, after one to warm up."""
    rates = []
    for _ in range(PASSES + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates[1:])


def generation_rate(size_px: int, count: int, options: Sequence[str]) -> float:
    """Images per core-second of a worker of ``handbridge generate`` from nothing to shards on disk: median over
    ``PASSES`` shards of ``count`` images, after one to warm up."""
    settings = maker_settings(_config("unused", size_px, count, options))
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PASSES + 1):
            first = number * count
            task = ShardTask(Path(folder) / shard_name(number), first, first + count, 0, settings)
            start = time.process_time()
            make_shard(task)
            rates.append(count / (time.process_time() - start))
    return statistics.median(rates[1:])


def _config(out: str, size_px: int, count: int, options: Sequence[str]) -> GenerateConfig:
    return compose_config(
        "generate", GenerateConfig, [f"out={out}", f"image_size={size_px}", f"num_samples={count}", *options]
    )


class StockPyrender:
    """pyrender as its documentation shows it: ``Mesh.from_trimesh`` for each image, no shadows."""

    def __init__(self, size_px: int):
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        # pyrender 0.1.45 knows only numpy 1's name of infinity
        np.infty = np.inf  # type: ignore[attr-defined]  # noqa: NPY201
        import pyrender

        self._pyrender = pyrender
        self._renderer = pyrender.OffscreenRenderer(size_px, size_px)

    def render(self, scene: RenderScene) -> Any:
        """Colour and depth of one scene; OpenGL looks along -z with y up and has pixel centres at 0.5."""
        from PIL import Image
        from trimesh import Trimesh
        from trimesh.visual import TextureVisuals

        p, topology, K = self._pyrender, scene.topology, scene.camera.K
        uv = np.zeros((len(scene.verts_cam), 2))
        uv[topology.faces] = topology.uv[topology.uv_faces]
        visual = TextureVisuals(uv=uv, image=Image.fromarray(scene.texture))
        mesh = Trimesh(scene.verts_cam * [1, -1, -1], topology.faces, visual=visual, process=False)
        world = p.Scene(ambient_light=[0.3, 0.3, 0.3])
        world.add(p.Mesh.from_trimesh(mesh))
        world.add(p.IntrinsicsCamera(K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, znear=0.01, zfar=10.0))
        for _ in range(3):
            world.add(p.DirectionalLight(intensity=2.0))
        return self._renderer.render(world)


def resident_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure all rows and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    torch.set_num_threads(1)
    console, notes = Console(), []
    table = Table("images per core-second", *(f"{size} px" for size in SIZES_PX))
    rates: dict[str, list[float]] = {
        "raster, render only": [],
        "torch rasteriser, depth and ids": [],
        **{GENERATE + name: [] for name in SCENES},
        "pyrender 0.1.45": [],
    }
    for size in track(SIZES_PX, "rendering"):
        scenes = draw_scenes(count, size)
        rates["raster, render only"].append(images_per_core_second(get_renderer("raster")().render, scenes))
        rates["torch rasteriser, depth and ids"].append(torch_raster_rate(scenes))
        for name, options in SCENES.items():
            rates[GENERATE + name].append(generation_rate(size, count, options))
        try:
            rates["pyrender 0.1.45"].append(images_per_core_second(StockPyrender(size).render, scenes))
        except (ImportError, OSError, AttributeError) as error:
            rates["pyrender 0.1.45"].append(float("nan"))
            notes = [f"pyrender skipped ({error}); it needs EGL: {EGL_PACKAGES}"]
    stock = np.array(rates["pyrender 0.1.45"])
    for name, row in rates.items():
        ratios = np.array(row) / stock
        table.add_row(
            name, *(f"{r:.0f} (x {q:.1f})" if q == q else f"{r:.0f}" for r, q in zip(row, ratios, strict=True))
        )
    console.print(table)
    for note in notes + cuda_lines():
        console.print(note)
    console.print(memory_line())


def memory_line() -> str:
    """Resident memory of a worker of ``generate`` early on and after many images, all scenes different."""
    maker, early = SampleMaker(maker_settings(_config("unused", 224, MEMORY_IMAGES, ())), seed=0), float("nan")
    for index, sample in enumerate(track(maker.samples(0, MEMORY_IMAGES), "memory", total=MEMORY_IMAGES)):
        encode_sample(sample)
        if index == SETTLED_IMAGES:
            early = resident_mib()
    late = resident_mib()
    return (
        f"memory of generate at 224 px: {early:.0f} MiB after {SETTLED_IMAGES} images, {late:.0f} MiB after "
        f"{MEMORY_IMAGES} ({100 * (late / early - 1):+.1f} %)"
    )


if __name__ == "__main__":
    main()
