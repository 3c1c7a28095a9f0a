"""What the tests of the package share. Run by pytest with the built package on PYTHONPATH."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import made_checkpoint  # noqa: E402


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def cat(root):
    return str(root / "examples/cat.png")


@pytest.fixture(scope="session")
def photos(root):
    return [str(root / "examples" / name) for name in ("cat.png", "coffee.jpg", "rocket.jpg")]


@pytest.fixture(scope="session")
def starter():
    import diptych

    return diptych.load("starter")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """checkpoint(NAME) -> (folder, golden values)."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = (str(folder), made_checkpoint.write_checkpoint(folder, name))
        return made[name]

    return get
