"""What the tests of `diptych train` share: data made here, the smallest models, and runs of the program.
Python's standard library only. Test programs are called with BUILD/diptych SOURCE_DIR."""

import functools
import hashlib
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import tarfile
import zlib

import program
from program import PROGRAM, SOURCE, TemporaryFolderCase, rows_of

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("DIPTYCH_", "OMPI_", "PMI", "PRTE_"))}
# What a root user (a container of CI) needs.
ENVIRONMENT |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
# Teams that wait without spinning: tests run beside each other.
ENVIRONMENT["OMP_WAIT_POLICY"] = "passive"
ENVIRONMENT["DIPTYCH_NO_CACHE"] = "1"  # the models here are never seen again

COLORS = {"red": (220, 30, 40), "green": (30, 200, 60), "blue": (40, 50, 220), "yellow": (230, 220, 40),
          "grey": (120, 120, 120), "pink": (250, 150, 190)}
SHAPES = ["square", "stripe", "frame", "cross"]
NAMES = [f"{color} {shape}" for shape in SHAPES for color in COLORS]  # 24

STATE, WEIGHTS = "training_state.safetensors", "open_clip_model.safetensors"


def pixels(index, side=36):
    """Rows of RGB: picture `index` shows NAMES[index % 24], with a little noise of its own."""
    color, shape = NAMES[index % len(NAMES)].split()
    rng, low, high = random.Random(index), side // 4, side - side // 4
    inside = {"square": lambda x, y: low <= x < high and low <= y < high,
              "stripe": lambda x, y: low <= x < high,
              "frame": lambda x, y: not (low <= x < high and low <= y < high),
              "cross": lambda x, y: low <= x < high or low <= y < high}[shape]
    rows = []
    for y in range(side):
        row = bytearray()
        for x in range(side):
            base = COLORS[color] if inside(x, y) else (10, 10, 10)
            row += bytes(max(0, min(255, value + rng.randrange(-9, 10))) for value in base)
        rows.append(bytes(row))
    return rows


def png(index, side=36):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in pixels(index, side)), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def ppm(index, side=36):
    return b"P6\n%d %d\n255\n" % (side, side) + b"".join(pixels(index, side))


def pair(index):
    return {"png": png(index), "txt": f"a {NAMES[index % len(NAMES)]}".encode()}


def write_shard(path, samples):
    """Samples are {key: {suffix: bytes}}."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in samples.items():
            for suffix, data in members.items():
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def write_pairs(path, indices):
    write_shard(path, {f"{index:06d}": pair(index) for index in indices})


def sha(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def tensor_names(path):
    """-> {name: (dtype, shape)} of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    return {name: (row["dtype"], row["shape"]) for name, row in header.items() if name != "__metadata__"}


run = functools.partial(program.run, env=ENVIRONMENT, timeout=120)


def steps_of(rows):
    """{step: loss} of the lines of steps, not of validations."""
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


TINY = ["--image-tower", "vit:2,64,2,p16", "--text-tower", "transformer:1,32,1", "--image-size", "32",
        "--embed-dim", "16"]
RECIPE = ["--batch", "8", "--lr", "1e-3", "--warmup", "2", "--threads", "1", "--seed", "5", "--format", "json"]


class Case(TemporaryFolderCase):
    """Has a temporary folder with a shard of 24 pairs."""

    def setUp(self):
        super().setUp()
        self.shard = self.tmp / "pairs-000000.tar"
        write_pairs(self.shard, range(24))

    def flags(self, out, *more, data=None, towers=TINY, steps=4):
        length = ["--steps", str(steps)] if steps else []
        return ["train", "--train-data", str(data or self.shard), "--out", str(self.tmp / out), *towers, *RECIPE,
                *length, *map(str, more)]

    def train(self, out, *more, code=0, options=None, **changes):
        """-> the rows on standard output and what stood on standard error."""
        done = run(*self.flags(out, *more, **changes), code=code, **(options or {}))
        self.assertNotIn("\x1b", done.stderr)
        return rows_of(done.stdout), done.stderr

    def fails(self, *more, code, contains, out="failed", **changes):
        """One line on standard error, which says all of `contains`."""
        rows, errors = self.train(out, *more, code=code, **changes)
        lines = errors.splitlines()
        self.assertEqual(len(lines), 1, errors)
        self.assertTrue(lines[0].startswith("diptych train: "), errors)
        for text in [contains] if isinstance(contains, str) else contains:
            self.assertIn(text, lines[0])
        return rows

    def start_and_signal(self, out, number, *more, after, steps, launcher=(), victim=None):
        """Sends the signal when step `after` was printed. -> exit code, rows, standard error."""
        command = [*map(str, launcher), str(PROGRAM), *self.flags(out, *more, steps=steps)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=ENVIRONMENT)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if json.loads(line)["step"] >= after:
                break
        os.kill(victim() if victim else process.pid, number)
        rest, errors = process.communicate(timeout=120)
        whole = [line for line in lines + rest.splitlines(keepends=True) if line.endswith("\n")]
        return process.returncode, rows_of("".join(whole)), errors

    def assert_model_works(self, out):
        folder = str(self.tmp / out)
        info = json.loads(run("info", folder, "--format", "json").stdout)
        (row,) = rows_of(run("classify", str(SOURCE / "examples/cat.png"), "--labels", "cat,dog", "--model", folder,
                             "--format", "json").stdout)
        self.assertEqual(len(row["predictions"]), 2)
        return info

