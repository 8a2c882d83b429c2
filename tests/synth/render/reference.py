"""Slow and obvious versions of what the kernels do: one ray or one surface point at a time, plain double precision."""

import numpy as np

from synth.render import Lights, Material, RenderScene
from synth.render.skin_relief import relief_slopes

WRAP = np.array([0.35, 0.18, 0.12])


def cast_rays(verts: np.ndarray, faces: np.ndarray, K: np.ndarray, width: int, height: int):
    """Depth and face through every pixel's centre by exact ray casting (embree), 0 and -1 where nothing is hit."""
    import trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = (np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K).T).reshape(-1, 3)
    mesh = trimesh.Trimesh(verts, faces, process=False)
    hit = RayMeshIntersector(mesh, scale_to_box=False).intersects_first(np.zeros_like(rays), rays)
    depth = np.zeros(len(rays))
    a, b, c = (verts[faces[hit[hit >= 0], k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    depth[hit >= 0] = (normal * a).sum(1) / (normal * rays[hit >= 0]).sum(1)
    return depth.reshape(height, width), hit.reshape(height, width)


def visible_faces(verts: np.ndarray, faces: np.ndarray, K: np.ndarray, width: int, height: int, near: float):
    """Nearest face and depth at each pixel's centre, one ray after the other; -1 and 0 for none.

    A ray d meets the face a, b, c inside where d.(b x c), d.(c x a) and d.(a x b) have one sign; it is the negative one
    for a face that is counter-clockwise seen from the camera.
    """
    a, b, c = verts[faces].transpose(1, 0, 2)
    normals = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], 1)
    volumes = (a * normals[:, 0]).sum(1)
    ids, depth = np.full((height, width), -1), np.zeros((height, width))
    for v in range(height):
        for u in range(width):
            ray = np.linalg.inv(K) @ [u, v, 1.0]
            weights = normals @ ray
            z = volumes / weights.sum(1)
            z[(weights >= 0).any(1) | (z < near)] = np.inf
            if z.min() < np.inf:
                ids[v, u], depth[v, u] = z.argmin(), z.min()
    return ids, depth


def smooth_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    normals = np.zeros_like(verts)
    for a, b, c in faces:
        normal = np.cross(verts[b] - verts[a], verts[c] - verts[a])
        for corner in (a, b, c):
            normals[corner] += normal
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def linear(srgb: np.ndarray) -> np.ndarray:
    share = np.asarray(srgb) / 255.0
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def encoded(value: np.ndarray) -> np.ndarray:
    value = np.clip(value, 0, 1)
    return 255.0 * np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def bilinear(texture: np.ndarray, u: float, v_up: float) -> np.ndarray:
    side = len(texture)
    column, row = u * side - 0.5, (1 - v_up) * side - 0.5
    x, y = int(np.floor(column)), int(np.floor(row))
    total = np.zeros(3)
    for dy, wy in ((0, y + 1 - row), (1, row - y)):
        for dx, wx in ((0, x + 1 - column), (1, column - x)):
            total += wy * wx * linear(texture[(y + dy) % side, (x + dx) % side])
    return total


def tilted(normal: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The normal moved by a slope along two tangents (the frame of Duff et al. 2017)."""
    x, y, z = normal
    sign = 1.0 if z >= 0 else -1.0
    a = -1 / (sign + z)
    first = np.array([1 + sign * x * x * a, sign * x * y * a, -sign * x])
    second = np.array([x * y * a, sign + y * y * a, -y])
    assert abs(first @ normal) < 1e-9 and abs(second @ normal) < 1e-9 and abs(first @ second) < 1e-9
    moved = normal + slope[0] * first + slope[1] * second
    return moved / np.linalg.norm(moved)


def radiance(normal, eye, albedo, openness: float, lit: float, lights: Lights, material: Material) -> np.ndarray:
    """Linear RGB of one surface point; unit vectors in, clipped at 1."""
    x, y, z = normal
    sh = np.array([1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
    f0, rough = 0.08 * material.specular, material.roughness
    cos_eye = max(normal @ eye, 0.05)
    a, b, c = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    bounced = np.maximum(openness, ((openness * a + b) * openness + c) * openness)
    diffuse = np.maximum(sh @ lights.ambient_sh, 0) * bounced
    sky = f0 + (1 - rough) ** 3 * (1 - cos_eye) ** 5
    glossy = np.maximum(lights.ambient_sh[0], 0) * sky * openness
    for k in range(3):
        towards, colour = lights.directions[k], lights.colours[k]
        share = lit if k == 0 else openness
        cosine = normal @ towards
        diffuse += colour * np.maximum(cosine + WRAP, 0) / (1 + WRAP) ** 2 * (share + (1 - share) * 0.5 * WRAP)
        half = (towards + eye) / np.linalg.norm(towards + eye)
        alpha2, k_smith = rough**4, rough**2 / 2
        density = alpha2 / ((normal @ half) ** 2 * (alpha2 - 1) + 1) ** 2
        facing = max(cosine, 0)
        visible = 0.25 / ((facing * (1 - k_smith) + k_smith) * (cos_eye * (1 - k_smith) + k_smith))
        fresnel = f0 + (1 - f0) * (1 - max(towards @ half, 0)) ** 5
        glossy += colour * share * density * visible * fresnel * facing
    return np.minimum(albedo * diffuse + glossy, 1)


def pixel(scene: RenderScene, normals: np.ndarray, face: int, u: float, v: float) -> np.ndarray:
    """sRGB of the point that the ray through (u, v) hits on a face, without shadow and occlusion."""
    ray = np.linalg.inv(scene.camera.K) @ [u, v, 1.0]
    corners = scene.topology.faces[face].astype(int)
    weights = np.linalg.solve(scene.verts_cam[corners].T, ray)
    weights /= weights.sum()
    position = weights @ scene.verts_cam[corners]
    normal = weights @ normals[corners]
    normal /= np.linalg.norm(normal)
    eye = -position / np.linalg.norm(position)
    at, up = weights @ scene.topology.uv[scene.topology.uv_faces[face].astype(int)]
    albedo = bilinear(scene.texture, at, up) * (weights @ scene.vertex_tint[corners])
    relief = relief_slopes()
    slope = relief[int(np.floor((1 - up) * len(relief))) % len(relief), int(np.floor(at * len(relief))) % len(relief)]
    bump = scene.material.bump * min(max(2 * (normal @ eye), 0), 1)
    return encoded(radiance(tilted(normal, slope * bump), eye, albedo, 1.0, 1.0, scene.lights, scene.material))
