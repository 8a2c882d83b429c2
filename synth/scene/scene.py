"""One scene from one generator: hand, arm, view, camera, light, skin, background, and what is around the hand."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float

from synth.common.config import check, option
from synth.common.conventions import WRIST
from synth.geometry.camera import Camera
from synth.hand import ManoArrays, PoseSampler, sample_shape, shows_contact
from synth.render.renderer import MeshTopology, RenderScene
from synth.scene.arm.hand_and_arm import LimbSampler
from synth.scene.arm.sampling import ArmOptions
from synth.scene.arm.skin import Skin, albedo_at, flat_skins, sample_tint
from synth.scene.backgrounds.background import BackgroundOptions, Backgrounds, Setting
from synth.scene.backgrounds.out_of_frame import sample_photo_edge
from synth.scene.backgrounds.photos import Photos
from synth.scene.gesture_views import load_gesture_views
from synth.scene.lighting.environment_map import Surroundings, light_from_panorama
from synth.scene.lighting.light import DrawnLight, LightOptions, sample_light, sample_material
from synth.scene.lighting.panorama import Panoramas
from synth.scene.objects.flat_occluder import Occluder, sample_occluder
from synth.scene.objects.interactions import Company, CompanySampler, FirstHand, OccluderOptions
from synth.scene.objects.mesh_library import Meshes
from synth.scene.objects.mesh_merge import Joiner
from synth.scene.objects.second_hand import PosedHand
from synth.scene.placement import Placement, PlacementOptions, sample_placement
from synth.scene.view import View, ViewOptions, sample_view

SHARES = ("sleeve_share", "occluder_share", "second_hand_share", "photo_edge_share", "photo_background_share")


@dataclass
class SceneOptions:
    """What is drawn, and how often."""

    view: ViewOptions = option(ViewOptions(), "kinds of view")
    placement: PlacementOptions = option(PlacementOptions(), "place and size of the hand in the image")
    light: LightOptions = option(LightOptions(), "where the light comes from")
    background: BackgroundOptions = option(BackgroundOptions(), "what stands behind the hand")
    arm: ArmOptions = option(ArmOptions(), "the arm")
    sleeve_share: float = option(0.5, "share of arms in a sleeve")
    subdivide_from_px: int = option(384, "side of images from which on the mesh has four times the triangles")
    occluder: OccluderOptions = option(OccluderOptions(), "things of real shape")
    occluder_share: float = option(0.08, "share of images with a thing in front of the hand")
    second_hand_share: float = option(0.05, "share of images in which the person's other hand is looked for a place")
    photo_edge_share: float = option(0.3, "share of images that reach beyond the photo's edge")
    photo_background_share: float = option(0.7, "share of photo backgrounds when background_dir is given")

    def __post_init__(self) -> None:
        for key in SHARES:
            check(0 <= getattr(self, key) <= 1, f"scene.{key}", getattr(self, key), "in [0, 1]")
        check(self.subdivide_from_px >= 0, "scene.subdivide_from_px", self.subdivide_from_px, "0 or more")


@dataclass(frozen=True)
class HandDraft:
    """What a hand is posed with: root-free pose (MANO order), shape, where the pose came from, and the pose of the
    person's other hand, where one is to be seen."""

    pose_aa: Float[np.ndarray, "16 3"]
    betas: Float[np.ndarray, "10"]
    pose_source: str
    other_pose_aa: Float[np.ndarray, "16 3"] | None = None


@dataclass(frozen=True)
class Scene:
    """All of one image before rendering.

    Attributes:
        render: What the renderer takes; its background is sharp.
        background_m: Distance of the background from the camera.
        joints_cam: Joints in metres, camera frame.
        pose_aa: Axis-angle of 16 joints with the view's rotation at the wrist.
        betas: Shape coefficients.
        transl: Translation that brings the hand model to the camera frame, metres.
        occluder: A thing in front of the hand.
        photo_edge: Pixels beyond the photo at the top, bottom, left and right.
        description: What was drawn, for the sample's ``scene``.
    """

    render: RenderScene
    background_m: float
    joints_cam: Float[np.ndarray, "21 3"]
    pose_aa: Float[np.ndarray, "16 3"]
    betas: Float[np.ndarray, "10"]
    transl: Float[np.ndarray, "3"]
    occluder: Occluder | None
    photo_edge: tuple[int, int, int, int] | None
    description: dict[str, Any]


@dataclass(frozen=True)
class _Draw:
    """What a scene is drawn around: hands in the model's frame, the camera, and whether a thing is in front."""

    hand: PosedHand
    other: PosedHand | None
    T_cam_hand: tuple[np.ndarray, np.ndarray]
    camera: Camera
    R_cam_world: np.ndarray
    has_front: bool


class SceneSampler:
    """Draws scenes of one hand model; keeps textures, topologies and photos, and no state between scenes."""

    def __init__(
        self,
        arrays: ManoArrays,
        skins: list[Skin],
        photos: Photos | None,
        *,
        size_px: int,
        options: SceneOptions,
        panoramas: Panoramas | None = None,
        textures: Photos | None = None,
        meshes: Meshes | None = None,
        poses: PoseSampler | None = None,
    ):
        if arrays.uv is None or arrays.uv_faces is None:
            # MANO has no texture coordinates: one texel colours the whole hand.
            uv, uv_faces, skins = np.full((1, 2), 0.5), np.zeros_like(arrays.faces), flat_skins(skins)
        else:
            uv, uv_faces = arrays.uv, arrays.uv_faces
        self._limbs = LimbSampler(
            arrays,
            uv,
            uv_faces,
            has_arm=options.arm.on,
            sleeve_share=options.sleeve_share,
            is_subdivided=size_px >= options.subdivide_from_px,
        )
        self._company = CompanySampler(arrays, self._limbs, options.occluder, meshes)
        self._joiner = Joiner(uv, uv_faces, self._limbs.ring_uv[0])
        self._skins = skins
        self._wrist_albedo = [albedo_at(skin, self._limbs.ring_uv) for skin in skins]
        self._poses = poses or PoseSampler(arrays)
        self._gesture_views = load_gesture_views(options.view)
        self._panoramas = panoramas
        self._backgrounds = Backgrounds(
            options.background, photos=photos, photo_share=options.photo_background_share, textures=textures
        )
        self._size_px = size_px
        self._options = options

    @property
    def topologies(self) -> tuple[MeshTopology, ...]:
        """The meshes that occur: with a bare arm and with a sleeve, or the one without an arm."""
        return self._limbs.topologies

    def draft(self, rng: np.random.Generator) -> HandDraft:
        """The hand of a scene; pose it with the hand model (no translation) and hand it to ``sample``."""
        pose_aa, source = self._poses.sample(rng)
        betas = sample_shape(rng)
        has_other = rng.random() < self._options.second_hand_share
        return HandDraft(pose_aa, betas, source, self._poses.sample(rng)[0] if has_other else None)

    def sample(
        self,
        rng: np.random.Generator,
        draft: HandDraft,
        verts: Float[np.ndarray, "verts 3"],
        joints: np.ndarray,
        other: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Scene:
        """The rest of the scene.

        Args:
            rng: The generator that drew the draft.
            draft: The hand.
            verts: The posed hand in the model's frame, metres.
            joints: Its 21 joints.
            other: Vertices and joints of the other hand, posed as a right hand.
        """
        view = sample_view(rng, self._options.view, self._gesture_views.of_pose(draft.pose_source))
        joints_turned = (joints - joints[WRIST]) @ view.R_cam_hand.T
        place = sample_placement(rng, joints_turned, self._size_px, self._options.placement)
        T_cam_hand = (view.R_cam_hand, place.shift_m - view.R_cam_hand @ joints[WRIST])
        has_front = bool(rng.random() < self._options.occluder_share)
        hands = self._company.posed(verts, joints), None if other is None else self._company.posed(*other)
        draw = _Draw(*hands, T_cam_hand, place.camera, view.R_cam_world, has_front)
        render, background_m, company, drawn = self._render_scene(rng, draw)
        joints_cam = joints_turned + place.shift_m
        joints_px = place.camera.project(joints_cam)
        occluder = None
        if has_front and company.front is None:
            nearest_m = min([joints_cam[:, 2].min(), *(thing.verts[:, 2].min() for thing in company.things)])
            occluder = sample_occluder(rng, joints_px, float(nearest_m), self._size_px)
        edge = sample_photo_edge(rng, joints_px, self._size_px, self._options.photo_edge_share)
        return Scene(
            render=render,
            background_m=background_m,
            joints_cam=joints_cam,
            pose_aa=np.concatenate([cv2.Rodrigues(view.R_cam_hand)[0].T, draft.pose_aa[1:]]),
            betas=draft.betas,
            transl=place.shift_m - joints[WRIST],
            occluder=occluder,
            photo_edge=edge,
            description=_describe(draft, view, place)
            | drawn
            | _describe_company(company, occluder)
            | {"photo_edge": edge},
        )

    def _render_scene(
        self, rng: np.random.Generator, draw: _Draw
    ) -> tuple[RenderScene, float, Company, dict[str, Any]]:
        """What the renderer takes, the distance of its background, what is around the hand, and what was drawn."""
        light, surroundings = self._light(rng, draw.R_cam_world)
        skin = int(rng.integers(len(self._skins)))
        albedo = self._wrist_albedo[skin]
        tint = sample_tint(rng, albedo)
        limb = self._limbs.sample(rng, draw.hand.verts, draw.T_cam_hand, draw.camera, tint=tint, albedo=albedo)
        first = FirstHand(draw.hand, draw.T_cam_hand, limb, tint, albedo, draw.camera)
        company = self._company.sample(rng, first, draw.other, has_front=draw.has_front)
        mesh, texture = self._joiner.join(
            self._limbs.fine(limb), self._skins[skin].texture, company.things, company.other
        )
        hand_cam = limb.verts_cam[: len(draw.hand.verts)]
        points_cam = hand_cam if company.held is None else np.concatenate([hand_cam, company.held.verts])
        setting = Setting(light.exposure * light.colour, draw.camera, draw.R_cam_world, points_cam, surroundings)
        background = self._backgrounds.sample(rng, setting)
        render = RenderScene(
            verts_cam=mesh.verts_cam.astype(np.float32),
            topology=mesh.topology,
            texture=texture,
            vertex_tint=mesh.vertex_tint,
            camera=draw.camera,
            lights=light.lights,
            material=sample_material(rng, float(np.mean(albedo * tint))),
            background=background.image,
        )
        drawn = {"light": light.kind, "exposure": round(light.exposure, 3), "skin": self._skins[skin].name}
        drawn |= {"background": background.kind, "arm": self._options.arm.on, "sleeve": limb.has_sleeve}
        return render, background.distance_m, company, drawn

    def _light(self, rng: np.random.Generator, R_cam_world: np.ndarray) -> tuple[DrawnLight, Surroundings | None]:
        if self._panoramas is not None and rng.random() < self._options.light.hdr_share:
            return light_from_panorama(rng, self._panoramas.sample(rng), R_cam_world)
        return sample_light(rng), None


def _describe(draft: HandDraft, view: View, place: Placement) -> dict[str, Any]:
    return {
        "pose": draft.pose_source,
        "contact": shows_contact(draft.pose_source),
        "view": view.kind,
        "distance_m": round(place.distance_m, 4),
        "may_be_cut": place.may_be_cut,
    }


def _describe_company(company: Company, sheet: Occluder | None) -> dict[str, Any]:
    things = [placed.thing.name for placed in company.things] + ([] if sheet is None else ["sheet"])
    return {
        "occluder": company.front is not None or sheet is not None,
        "held": company.held is not None,
        "things": "+".join(things) or "none",
        "second_hand": company.other is not None,
    }
