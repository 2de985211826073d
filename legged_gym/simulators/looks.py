"""Visuals of a scene that don't affect physics: sky, sun, tiles on the ground."""

from __future__ import annotations

import mujoco


def add_looks(spec: mujoco.MjSpec, ground: str) -> None:
    """Add sky, sun and tiles to a scene with one robot and the ground geom of this name."""
    spec.add_texture(
        name="legged_gym/sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.62, 0.76, 0.90], rgb2=[0.93, 0.96, 0.98], width=128, height=768,
    )  # fmt: skip
    spec.add_texture(
        name="legged_gym/tiles", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.64, 0.70, 0.75], rgb2=[0.70, 0.76, 0.80], width=256, height=256,
    )  # fmt: skip
    material = spec.add_material(name="legged_gym/tiles", texuniform=True, texrepeat=[1.0, 1.0], specular=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "legged_gym/tiles"
    surface = spec.geom(ground)
    surface.material, surface.rgba = "legged_gym/tiles", [1.0, 1.0, 1.0, 1.0]
    # The sun moves with the robot, because shadows have a limited range.
    spec.worldbody.first_body().add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM,
        pos=[-1.2, -1.5, 3.0], dir=[0.4, 0.5, -1.0], diffuse=[0.55, 0.55, 0.52], castshadow=True,
    )  # fmt: skip
    spec.visual.headlight.ambient = [0.4, 0.4, 0.42]
    spec.visual.headlight.diffuse = [0.3, 0.3, 0.3]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.visual.quality.shadowsize = 2048
    # Round enough for robots of a picture's size, and a third faster without a GPU than MuJoCo's 28 and 16.
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 20, 10
    # Clipping and shadows scale with the scene's size, which must be the robot's, not the terrain's.
    spec.stat.extent = 4.0
    spec.visual.map.zfar = 20.0
