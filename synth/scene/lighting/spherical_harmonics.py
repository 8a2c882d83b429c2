"""Diffuse irradiance as nine spherical harmonics: from radiance all round, turned with the camera, looked up.

Coefficients are in the order and without the normalisation of ``Lights.ambient_sh``, and divided by pi: a white surface
shows the value that they give for its normal.
"""

import numpy as np
from jaxtyping import Float

NORMALISATION = np.array([0.282095, *[0.488603] * 3, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274])
"""Factor of each polynomial in the orthonormal basis."""
COSINE_LOBE = np.array([np.pi, *[2 * np.pi / 3] * 3, *[np.pi / 4] * 5])
"""What convolution with the clamped cosine does to each band (Ramamoorthi and Hanrahan 2001, Eq. 8)."""


def polynomials(directions: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 9"]:
    """The nine polynomials 1, y, z, x, xy, yz, 3zz-1, xz, xx-yy of unit vectors."""
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    return np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], -1)


def project_irradiance(
    radiance: Float[np.ndarray, "height width 3"],
    directions: Float[np.ndarray, "height width 3"],
    solid_angles: Float[np.ndarray, "height 1"],
) -> Float[np.ndarray, "9 3"]:
    """Coefficients of the irradiance that radiance from all directions makes (Ramamoorthi and Hanrahan 2001, Eq. 3, 9).

    Args:
        radiance: Linear RGB of each direction.
        directions: Unit vectors.
        solid_angles: Steradians of each direction.
    """
    # einsum, not BLAS: the order of its sums, and so the bytes of a dataset, depends on no number of threads.
    moments = np.einsum("hwk,hwc->kc", polynomials(directions), radiance * solid_angles[..., None])
    return (COSINE_LOBE * NORMALISATION**2 / np.pi)[:, None] * moments


def irradiance_at(
    coefficients: Float[np.ndarray, "9 channels"], normals: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n channels"]:
    """Irradiance over pi on surfaces with these unit normals."""
    return polynomials(normals) @ coefficients


def turn_irradiance(
    coefficients: Float[np.ndarray, "9 channels"], R: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "9 channels"]:
    """The coefficients in the frame that ``R`` takes vectors to.

    The second band is a symmetric matrix M without trace, n' M n: it turns as R M R', exactly and in no time.
    """
    one, y, z, x, xy, yz, zz, xz, xx_yy = coefficients
    M = np.array(
        [[-zz + xx_yy, xy / 2, xz / 2], [xy / 2, -zz - xx_yy, yz / 2], [xz / 2, yz / 2, 2 * zz]]
    )  # 3 x 3 x channels
    turned = np.einsum("ij,jkc,lk->ilc", R, M, R)
    x, y, z = R @ np.stack([x, y, z])
    quadratic = [2 * turned[0, 1], 2 * turned[1, 2], turned[2, 2] / 2, 2 * turned[0, 2]]
    return np.stack([one, y, z, x, *quadratic, (turned[0, 0] - turned[1, 1]) / 2])
