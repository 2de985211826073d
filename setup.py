"""Installs the package ``legged_gym``. ``make train`` and ``make test`` call this with the pins of constraints.txt."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

_HERE = Path(__file__).parent
_VERSION = re.search(r'^__version__ = "(.+)"$', (_HERE / "legged_gym/__init__.py").read_text(encoding="utf-8"), re.M)
_SCRIPTS = {path.stem for path in (_HERE / "legged_gym/scripts").glob("*.py")} - {"__init__", "commands"}
_COMMANDS = [f"qmini-{name.replace('_', '-')}=legged_gym.scripts.commands:{name}" for name in sorted(_SCRIPTS)]


class BuildWithResources(build_py):
    """Puts the robots and the shipped policies, which lie beside the package in the checkout, into it."""

    def run(self) -> None:
        """Build the package, and copy what belongs to it."""
        super().run()
        if not self.editable_mode:
            shutil.copytree(_HERE / "resources", Path(self.build_lib, "legged_gym/resources"), dirs_exist_ok=True)


assert _VERSION is not None
setup(
    name="qmini_rl_gym",
    version=_VERSION.group(1),
    description="Teaches the Qmini biped and other legged robots to walk by reinforcement learning",
    long_description=(_HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the Qmini RL GYM authors",
    license="BSD-3-Clause",
    classifiers=[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)],
    keywords="reinforcement-learning legged-robots biped mujoco sim-to-real",
    packages=find_packages(include=["legged_gym", "legged_gym.*"]),
    package_data={"legged_gym": ["**/*.j2", "**/*.html", "py.typed"]},
    cmdclass={"build_py": BuildWithResources},
    entry_points={"console_scripts": _COMMANDS},
    python_requires=">=3.11",
    install_requires=[
        "torch>=2.11",
        "gymnasium>=1.1",
        "numpy>=2.0",
        "mujoco>=4.0,<5",
        "scipy>=1.15",
        "jinja2>=3.1",
        "rsl-rl-lib>=5.5.1,<5.6",
        "tensordict>=0.12",
        "tensorboard>=2.16",
        "onnx>=1.17",
        "onnxscript>=0.5.4",
        "onnxruntime>=1.22",
        "matplotlib>=3.9",
        "pillow>=11",
        "pyyaml>=6.0",
        "pydantic>=2.11,<3",
        "annotated-types>=0.7",
        "ruamel.yaml>=0.18",
        "rich>=14.1",
        "imageio-ffmpeg>=0.5",
        "viser>=1.1,<1.2",
        "trimesh>=4.6",
        "pycollada>=0.9",
    ],
    extras_require={
        "warp": ["mujoco-warp>=4.0,<5"],
        "wandb": ["wandb>=0.20"],
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.27", "mkdocs-static-i18n>=1.2"],
        "bag": ["rosbags>=0.10"],
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pytest-cov>=7",
            "hypothesis>=6.100",
            "ipykernel>=6.29",
            "nbclient>=0.10",
            "nbformat>=5.10",
            "import-linter>=2.1",
            "ruff",
            "mypy",
            "vermin>=1.6",
            "mujoco-warp>=4.0,<5",
            "selenium>=4.20",
        ],
    },
)
