"""Makes samples: draws the scene, renders it, and lets the sensors see it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from synth.common.conventions import RIGHT
from synth.dataset.manifest import GENERATOR_VERSION
from synth.dataset.sample import HandSample
from synth.hand import HandModel, PoseOptions, PoseSampler, load_hand, load_pose_file
from synth.render import get_renderer
from synth.render.renderer import RenderOutput, RenderScene
from synth.scene.arm.skin import load_skins
from synth.scene.backgrounds.out_of_frame import beyond_photo
from synth.scene.backgrounds.photos import Photos
from synth.scene.lighting.panorama import Panoramas
from synth.scene.objects.flat_occluder import put_in_front
from synth.scene.objects.mesh_library import Meshes
from synth.scene.scene import HandDraft, Scene, SceneOptions, SceneSampler
from synth.scene.visibility import visible_joints
from synth.sensor import FAULTS, DepthView, RgbOptions, Shot, sense_depth, sense_rgb
from synth.sensor.defocus import Focus, defocus_background, defocus_surface, sample_focus

POSE_BLOCK = 32
"""Hands posed in one call of the hand model."""
SCENE_TRIES = 6
MIN_VISIBLE = 7
"""A view along the arm may show the arm alone; a scene with fewer visible joints than this is drawn anew."""

Posed = tuple[Float[np.ndarray, "verts 3"], Float[np.ndarray, "21 3"]]
"""Vertices and joints of one hand, metres."""


@dataclass(frozen=True)
class MakerSettings:
    """All that a sample depends on besides its seed and index."""

    image_size: int
    hand: str
    skinning: str
    renderer: str
    skins: str
    photos: list[Path]
    panoramas: list[Path]
    textures: list[Path]
    meshes: list[Path]
    poses: PoseOptions
    scene: SceneOptions
    rgb: RgbOptions
    depth_sensor: str


class SampleMaker:
    """Makes any sample of a dataset; sample ``index`` depends on the settings, the seed and the index alone.

    Raises:
        ValueError: for a hand, skinning or renderer that does not exist, or a file that holds none.
        FileNotFoundError: for missing files.
    """

    def __init__(self, settings: MakerSettings, seed: int):
        arrays = load_hand(settings.hand)
        photos = Photos(settings.photos) if settings.photos else None
        self._settings, self._seed = settings, seed
        self._model = HandModel(arrays, settings.skinning)
        self._scenes = SceneSampler(
            arrays,
            load_skins(settings.skins),
            photos,
            size_px=settings.image_size,
            options=settings.scene,
            panoramas=Panoramas(settings.panoramas) if settings.panoramas else None,
            textures=Photos(settings.textures) if settings.textures else None,
            meshes=Meshes(settings.meshes) if settings.meshes else None,
            poses=PoseSampler(arrays, settings.poses, load_pose_file(settings.poses, arrays)),
        )
        self._renderer = get_renderer(settings.renderer)()

    def samples(self, first: int, last: int) -> Iterator[HandSample]:
        """Samples ``first`` to ``last - 1``."""
        for start in range(first, last, POSE_BLOCK):
            indices = range(start, min(start + POSE_BLOCK, last))
            generators = [np.random.default_rng([GENERATOR_VERSION, self._seed, index]) for index in indices]
            drafts = [self._scenes.draft(rng) for rng in generators]
            for index, rng, draft, hands in zip(indices, generators, drafts, self._posed(drafts), strict=True):
                yield self._seen(index, rng, draft, hands)

    def _posed(self, drafts: list[HandDraft]) -> list[list[Posed]]:
        """Vertices and joints of each draft's hands in the model's frame, without the view's rotation."""
        hands = [(d.pose_aa, d.betas) for d in drafts]
        others = [(row, (d.other_pose_aa, d.betas)) for row, d in enumerate(drafts) if d.other_pose_aa is not None]
        hands += [hand for _, hand in others]
        pose_aa, betas = (torch.from_numpy(np.stack(rows).astype(np.float32)) for rows in zip(*hands, strict=True))
        mesh = self._model.pose_blocks(pose_aa, betas, torch.zeros(len(hands), 3))
        posed = list(zip(mesh.verts.numpy(), mesh.joints.numpy().astype(np.float64), strict=True))
        of_drafts = [[hand] for hand in posed[: len(drafts)]]
        for (row, _), hand in zip(others, posed[len(drafts) :], strict=True):
            of_drafts[row].append(hand)
        return of_drafts

    def _seen(self, index: int, rng: np.random.Generator, draft: HandDraft, hands: list[Posed]) -> HandSample:
        """The hand in the first scene drawn that shows it; the last try, where something hides it in all of them."""
        other = hands[1] if len(hands) > 1 else None
        for _ in range(SCENE_TRIES):
            scene = self._scenes.sample(rng, draft, *hands[0], other)
            focus = self._focus(rng, scene)
            render = scene.render if focus is None else _with_defocused_background(scene, focus)
            output = self._renderer.render(render)
            if scene.occluder is not None:
                output = put_in_front(output, scene.occluder)
            joints_px = scene.render.camera.project(scene.joints_cam)
            visible = visible_joints(joints_px, scene.joints_cam[:, 2], output.depth_m)
            if visible.sum() >= MIN_VISIBLE:
                break
        faults = []
        if focus is not None:
            focal_px = float(render.camera.K[1, 1])
            rgb = defocus_surface(output.rgb, render.background, output.depth_m, focus, focal_px)
            output, faults = replace(output, rgb=rgb), ["defocus"]
        return self._sample(index, rng, scene, output, faults, joints_px, visible)

    def _focus(self, rng: np.random.Generator, scene: Scene) -> Focus | None:
        options = self._settings.rgb
        if rng.random() >= options.defocus_share:
            return None
        hand_m = float(scene.joints_cam[:, 2].mean())
        return sample_focus(rng, options.max_aperture_mm / 1000, hand_m, scene.background_m)

    def _sample(
        self, index: int, rng: np.random.Generator, scene: Scene, output: RenderOutput, faults: list[str],
        joints_px: Float[np.ndarray, "21 2"], visible: Bool[np.ndarray, "21"],
    ) -> HandSample:  # fmt: skip
        shot, depth_m, segmentation = self._sensed(rng, output, scene)
        return HandSample(
            index=index,
            seed=self._seed,
            handedness=RIGHT,
            rgb=shot.image,
            depth_m=depth_m,
            segmentation=segmentation,
            K=scene.render.camera.K,
            joints_px=joints_px,
            joints_cam=scene.joints_cam,
            visible=visible,
            pose_aa=scene.pose_aa,
            betas=scene.betas,
            transl=scene.transl,
            hand_model=self._model.name,
            scene=scene.description | {f"camera_{name}": name in {*faults, *shot.faults} for name in FAULTS},
        )

    def _sensed(
        self, rng: np.random.Generator, output: RenderOutput, scene: Scene
    ) -> tuple[Shot, Float[np.ndarray, "height width"], np.ndarray]:
        shot = sense_rgb(rng, output.rgb, self._settings.rgb)
        view = DepthView(output.depth_m, float(scene.render.camera.K[1, 1]), output.segmentation)
        depth_m = sense_depth(rng, view, self._settings.depth_sensor)
        segmentation = output.segmentation
        if scene.photo_edge is not None:
            beyond = beyond_photo(scene.photo_edge, self._settings.image_size)
            shot.image[beyond] = 0 if rng.random() < 0.75 else rng.integers(0, 256)
            depth_m[beyond] = 0
            segmentation = np.where(beyond, np.uint8(0), segmentation)
        return shot, depth_m, segmentation


def _with_defocused_background(scene: Scene, focus: Focus) -> RenderScene:
    """What the renderer takes, its background blurred before the hand is laid over it."""
    render = scene.render
    focal_px = float(render.camera.K[1, 1])
    return replace(render, background=defocus_background(render.background, focus, scene.background_m, focal_px))
