"""Installs the package ``legged_gym``. ``make train`` and ``make test`` call this with the pins of constraints.txt."""

from setuptools import find_packages, setup

setup(
    name="qmini_rl_gym",
    version="0.1.0",
    description="Teaches the Qmini biped to walk by reinforcement learning",
    author="the Qmini RL GYM authors",
    license="BSD-3-Clause",
    packages=find_packages(include=["legged_gym", "legged_gym.*"]),
    python_requires=">=3.11",
    install_requires=[
        "torch>=2.11",
        "gymnasium>=1.1",
        "numpy>=2.0",
        "mujoco>=4.0,<5",
        "rsl-rl-lib>=5.5.1,<5.6",
        "tensordict>=0.12",
        "tensorboard>=2.16",
        "onnx>=1.17",
        "onnxscript>=0.5.4",
        "onnxruntime>=1.22",
        "matplotlib>=3.9",
        "pillow>=11",
        "pyyaml>=6.0",
        "tqdm>=4.66",
        "imageio-ffmpeg>=0.5",
        "viser>=1.1,<1.2",
        "trimesh>=4.6",
        "pycollada>=0.9",
        "pillow>=11",
    ],
    extras_require={
        "warp": ["mujoco-warp>=4.0,<5"],
        "wandb": ["wandb>=0.20"],
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "ruff",
            "mypy",
            "vermin>=1.6",
            "mujoco-warp>=4.0,<5",
            "selenium>=4.20",
        ],
    },
)
