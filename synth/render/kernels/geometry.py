"""From vertices in the camera frame to projected points, normals and the planes that interpolate over a face."""

import math

import numpy as np

from synth.render.kernels.jit import exact_kernel, kernel

NEAR_M = 0.01
"""Distance of the near plane; what lies nearer is clipped."""

PLANE_WIDTH = 11


@kernel
def vertex_normals(verts, faces, normals):
    """Smooth unit normals, each the area-weighted mean over the faces around the vertex.

    A vertex without area around it gets a normal that faces the camera.
    """
    normals[:] = 0.0
    for i in range(faces.shape[0]):
        a, b, c = faces[i, 0], faces[i, 1], faces[i, 2]
        px, py, pz = verts[b, 0] - verts[a, 0], verts[b, 1] - verts[a, 1], verts[b, 2] - verts[a, 2]
        qx, qy, qz = verts[c, 0] - verts[a, 0], verts[c, 1] - verts[a, 1], verts[c, 2] - verts[a, 2]
        nx, ny, nz = py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx
        for corner in range(3):
            v = faces[i, corner]
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(normals.shape[0]):
        length = math.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 1e-14:
            for k in range(3):
                normals[v, k] /= length
        else:
            normals[v, 0], normals[v, 1], normals[v, 2] = 0.0, 0.0, -1.0


@exact_kernel
def project_vertices(verts, K, samples_per_side, points):
    """Pinhole projection to the sub-sample grid.

    Args:
        verts: Vertices in metres, camera frame, verts x 3.
        K: Intrinsics in pixels, the centre of pixel (0, 0) at u = v = 0.
        samples_per_side: Sub-samples along one side of a pixel.
        points: Written: column and row in sub-samples (sub-sample (0, 0) at 0, 0) and 1 / z; 1 / z is 0 for a
            vertex before the near plane, whose column and row mean nothing.

    Returns:
        Whether any vertex lies before the near plane.
    """
    fx, fy = K[0, 0] * samples_per_side, K[1, 1] * samples_per_side
    cx = (K[0, 2] + 0.5) * samples_per_side - 0.5
    cy = (K[1, 2] + 0.5) * samples_per_side - 0.5
    skew = K[0, 1] * samples_per_side
    any_behind = False
    for i in range(verts.shape[0]):
        z = verts[i, 2]
        if z < NEAR_M:
            points[i, 0], points[i, 1], points[i, 2] = 0.0, 0.0, 0.0
            any_behind = True
            continue
        inverse = 1.0 / z
        points[i, 0] = (fx * verts[i, 0] + skew * verts[i, 1]) * inverse + cx
        points[i, 1] = fy * verts[i, 1] * inverse + cy
        points[i, 2] = inverse
    return any_behind


@exact_kernel
def pixel_bounds(points, any_behind, samples_per_side, width, height):
    """Pixels that the mesh may touch: first column, first row, last column + 1, last row + 1."""
    if any_behind:
        return 0, 0, width, height
    left, top, right, bottom = math.inf, math.inf, -math.inf, -math.inf
    for i in range(points.shape[0]):
        left, right = min(left, points[i, 0]), max(right, points[i, 0])
        top, bottom = min(top, points[i, 1]), max(bottom, points[i, 1])
    x0 = int(min(max(left / samples_per_side - 1.0, 0.0), float(width)))
    y0 = int(min(max(top / samples_per_side - 1.0, 0.0), float(height)))
    x1 = int(min(max(right / samples_per_side + 2.0, float(x0)), float(width)))
    y1 = int(min(max(bottom / samples_per_side + 2.0, float(y0)), float(height)))
    return x0, y0, x1, y1


@exact_kernel
def face_plane(verts, faces, face, planes):
    """What turns a viewing ray into perspective-correct barycentric weights on one face.

    With corners a, b, c and the ray d = (x, y, 1), the weights are proportional to d.(b x c), d.(c x a), d.(a x b)
    and the hit is at z = det(a, b, c) / sum (Olano and Greer 1997, homogeneous rasterisation). They are kept as
    linear functions of the offset from the ray through the farthest corner, where single precision is enough.

    Args:
        planes: Row ``face`` is written, 11 numbers: x and y of the reference ray; value, d/dx, d/dy of the first
            weight; the same of the second; d/dx, d/dy of the sum, which is 1 at the reference; z at the reference.
    """
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    ax, ay, az = verts[a, 0], verts[a, 1], verts[a, 2]
    bx, by, bz = verts[b, 0], verts[b, 1], verts[b, 2]
    cx, cy, cz = verts[c, 0], verts[c, 1], verts[c, 2]
    far = a if az >= bz and az >= cz else (b if bz >= cz else c)
    x, y = verts[far, 0] / verts[far, 2], verts[far, 1] / verts[far, 2]
    ux, uy, uz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    vx, vy, vz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    wx, wy, wz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    total_x, total_y = ux + vx + wx, uy + vy + wy
    total = total_x * x + total_y * y + uz + vz + wz
    scale = 1.0 / total if total != 0.0 else 0.0
    planes[face, 0], planes[face, 1] = x, y
    planes[face, 2], planes[face, 3], planes[face, 4] = (1.0 if far == a else 0.0), ux * scale, uy * scale
    planes[face, 5], planes[face, 6], planes[face, 7] = (1.0 if far == b else 0.0), vx * scale, vy * scale
    planes[face, 8], planes[face, 9] = total_x * scale, total_y * scale
    planes[face, 10] = verts[far, 2]


@kernel
def pack_vertices(normals, tint, occlusion, packed):
    """Normal, tint and occlusion of each vertex side by side, one cache line for one vertex (verts x 8, float32)."""
    for i in range(packed.shape[0]):
        for k in range(3):
            packed[i, k] = np.float32(normals[i, k])
            packed[i, 3 + k] = np.float32(tint[i, k])
        packed[i, 6] = occlusion[i]
