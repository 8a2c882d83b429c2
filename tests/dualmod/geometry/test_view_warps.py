"""Maps between views against a loop over cells, and mirroring against flipping."""

import torch

from dualmod.geometry.view_warps import inverse, mirrored, move_maps, move_points

A = torch.tensor([[[0.9, -0.2, 0.1], [0.25, 0.8, 0.05]], [[1.0, 0.0, 0.25], [0.0, 1.0, -0.125]]])


def test_points_go_there_and_back():
    points = torch.rand(2, 5, 2)
    there = move_points(A, points)
    torch.testing.assert_close(there[0, 0], A[0, :, :2] @ points[0, 0] + A[0, :, 2])
    torch.testing.assert_close(move_points(inverse(A), there), points)


def test_mirroring_the_map_is_mirroring_both_views():
    points = torch.rand(2, 5, 2)
    flipped = torch.stack([1 - points[..., 0], points[..., 1]], -1)
    there = move_points(mirrored(A), flipped)
    torch.testing.assert_close(torch.stack([1 - there[..., 0], there[..., 1]], -1), move_points(A, points))


def test_a_map_is_read_where_each_cell_comes_from():
    """A map that is linear in u and v stays exact under bilinear reading."""
    centres = (torch.arange(8) + 0.5) / 8
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    maps = (2 * u - 3 * v)[None, None].repeat(2, 1, 1, 1)
    moved, inside = move_maps(A, maps)
    back = inverse(A)
    checked = 0
    for row in range(2):
        for y in range(8):
            for x in range(8):
                place = back[row, :, :2] @ torch.tensor([centres[x], centres[y]]) + back[row, :, 2]
                assert inside[row, 0, y, x] == float(((place >= 0) & (place <= 1)).all())
                if ((place > 1 / 16) & (place < 15 / 16)).all():
                    torch.testing.assert_close(moved[row, 0, y, x], 2 * place[0] - 3 * place[1], atol=1e-5, rtol=0)
                    checked += 1
    assert checked > 40


def test_shift_by_whole_cells_is_a_roll():
    maps = torch.rand(1, 3, 8, 8)
    moved, inside = move_maps(A[1:], maps)
    torch.testing.assert_close(moved[..., 0:7, 2:], maps[..., 1:8, :6])
    assert inside.sum() == 6 * 7
