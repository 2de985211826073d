"""The ground of a task: heights under the robots, and the tile of each robot."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from legged_gym.common.rotations import quat_apply
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.terrain import Terrain

_THROUGH = 0.5
"""How far a base is below all of a field, m, when it has fallen through: it goes on falling."""


class Ground:
    """Heights of the terrain and the curriculum over its tiles.

    On a plane all heights are zero and every robot starts at its place on a grid.

    ================ ============= ======================================================
    tensor           shape         meaning
    ================ ============= ======================================================
    env_origins      (N, 3)        middle of each robot's tile, around which it starts, m, world frame
    levels, types    (N,)          row and column of each robot's tile
    ================ ============= ======================================================
    """

    def __init__(self, cfg: LeggedRobotCfg, terrain: Terrain | None, num_envs: int, device: str) -> None:
        """Assign robots to tiles of ``terrain``; None is a plane."""
        self.cfg, self.device, self.num_envs = cfg.terrain, device, num_envs
        self._forward = torch.tensor([1.0, 0.0, 0.0], device=device).expand(num_envs, 3)
        corners = [[-0.15, -0.15], [-0.15, 0.15], [0.15, -0.15], [0.15, 0.15]]
        self._corners = torch.tensor(corners, device=device)
        self.has_terrain = terrain is not None
        self.has_curriculum = terrain is not None and cfg.terrain.curriculum
        self.levels = torch.zeros(num_envs, dtype=torch.long, device=device)
        self.types = torch.zeros(num_envs, dtype=torch.long, device=device)
        self.max_level = torch.tensor(cfg.terrain.max_level, device=device)
        """The curriculum's highest level, 0-d. A training may change it in place."""
        if terrain is None:
            self._heights, self.tile_origins = torch.zeros(1, 1, device=device), torch.zeros(0, 0, 3, device=device)
            self._origin = torch.zeros(2, device=device)
            self.env_origins = self._grid(cfg.env.env_spacing)
            return
        self._heights = torch.as_tensor(terrain.heights, dtype=torch.float32, device=device)
        self._origin = torch.tensor(terrain.origin[:2], dtype=torch.float32, device=device)
        self._lowest = float(terrain.heights.min())
        self._size = (torch.tensor(self._heights.shape, device=device) - 1) * cfg.terrain.horizontal_scale
        self.tile_origins = torch.as_tensor(terrain.env_origins, dtype=torch.float32, device=device)
        most = cfg.terrain.num_rows - 1
        first = min(cfg.terrain.max_init_terrain_level, cfg.terrain.max_level, most)
        highest = first if cfg.terrain.curriculum else most
        self.levels = torch.randint(0, highest + 1, (num_envs,), device=device)
        self.types = torch.arange(num_envs, device=device) * cfg.terrain.num_cols // num_envs
        self.env_origins = self.tile_origins[self.levels, self.types]

    def height_at(self, points: torch.Tensor) -> torch.Tensor:
        """Return the ground's height at the grid points nearest to world x and y, m, (..., 2 or more)."""
        cells = (points[..., :2] - self._origin) / self.cfg.horizontal_scale + 0.5
        return self._lookup(cells[..., 0], cells[..., 1])

    def is_off(self, points: torch.Tensor) -> torch.Tensor:
        """Return which points, world, m, (N, 3 or more), are outside the field or fell through it, bool, (N,)."""
        at = points[:, :2] - self._origin
        return ((at < 0.0) | (at > self._size)).any(dim=1) | (points[:, 2] < self._lowest - _THROUGH)

    def heights_around(self, root_states: torch.Tensor) -> torch.Tensor:
        """Return the ground's height at the points of :meth:`measure_at`, which rotate with the heading, m, (N, P)."""
        forward = quat_apply(root_states[:, 3:7], self._forward)[:, :2]
        forward = forward / forward.norm(dim=1, keepdim=True).clamp(min=1e-6)
        start = (root_states[:, :2] - self._origin) / self.cfg.horizontal_scale + 0.5
        ahead, left = forward[:, :1], forward[:, 1:]
        x = torch.addcmul(start[:, :1], ahead, self._points_x).addcmul_(left, self._points_y, value=-1.0)
        y = torch.addcmul(start[:, 1:], left, self._points_x).addcmul_(ahead, self._points_y)
        return self._lookup(x, y)

    def height_under(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the mean height of the ground, m, (N,), at four points 0.15 m from world positions, m, (N, 2…)."""
        return self.height_at(positions[:, None, :2] + self._corners).mean(1)

    def _lookup(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return heights for grid coordinates, both (...), which are overwritten. Outside, the edge's heights."""
        rows, cols = self._heights.shape
        # float32 represents all integers up to 2**24, far more than a field has points.
        index = x.clamp_(0.0, rows - 1.0).floor_().mul_(cols).add_(y.clamp_(0.0, cols - 1.0).floor_())
        return torch.take(self._heights, index.long())

    def update_curriculum(self, mask: torch.Tensor, distance: torch.Tensor, wanted: torch.Tensor) -> None:
        """Promote robots that walked over half a tile; demote those that walked less than half the commanded distance.

        Above the highest level a robot gets a random one. Each change only happens with
        ``terrain.level_change_probability``. ``mask`` are the robots whose episode ended, ``distance`` is each robot's
        distance from its start, and ``wanted`` the distance that its command would have covered, m, all (N,).
        """
        up = distance > self.cfg.terrain_length / 2
        down = (distance < 0.5 * wanted) & ~up
        change = mask & (torch.rand_like(distance) < self.cfg.level_change_probability)
        levels = self.levels + (up & change).long() - (down & change).long()
        highest = self.max_level.clamp(max=self.cfg.num_rows - 1)
        anywhere = torch.randint_like(levels, 0, self.cfg.num_rows) % (highest + 1)
        # During an episode a robot keeps its level, even if it is now above the highest one.
        self.set_levels(torch.where(mask & (levels > highest), anywhere, levels.clamp_(min=0)))

    def set_levels(self, levels: torch.Tensor) -> None:
        """Move all robots' starts to tiles of these rows, (N,)."""
        self.levels.copy_(levels)
        self.env_origins.copy_(self.tile_origins[self.levels, self.types])

    def share_tile(self, robots: Sequence[int]) -> None:
        """Let robots start on the tile of the first of them. On a plane they keep their places."""
        if self.has_terrain:
            for tile in (self.levels, self.types):
                tile[robots] = tile[robots[0]].clone()
            self.set_levels(self.levels)

    def restore_levels(self, levels: torch.Tensor) -> None:
        """Set the levels of an earlier run, (M,). With another number of robots, draw from their distribution."""
        levels = levels.to(self.device).clamp(0, self.cfg.num_rows - 1)
        if len(levels) != self.num_envs:
            levels = levels[torch.randint(0, len(levels), (self.num_envs,), device=self.device)]
        self.set_levels(levels)

    def measure_at(self, points: torch.Tensor) -> None:
        """Choose the points of :meth:`heights_around`, m, relative to the base in its yaw frame, (N, P, 2 or more)."""
        x, y = (points[..., :2] / self.cfg.horizontal_scale).unbind(2)
        if not points.stride(0):
            # They are the same for all robots, and one row is read faster.
            x, y = x[0], y[0]
        self._points_x, self._points_y = x.contiguous(), y.contiguous()

    def _grid(self, spacing: float) -> torch.Tensor:
        """Place robots on a square grid, (N, 3)."""
        columns = int(self.num_envs**0.5 + 0.999)
        index = torch.arange(self.num_envs, device=self.device)
        x, y = index // columns, index % columns
        return torch.stack((x * spacing, y * spacing, torch.zeros_like(x)), dim=1).float()
