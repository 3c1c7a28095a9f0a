#!/usr/bin/env python3
"""Makes a Python extension stand alone: brings in the libraries that it needs and that not every Linux has, as
auditwheel would.

usage: bundle_libraries.py EXTENSION.so FOLDER

Each library is copied into FOLDER (beside the extension, or below it) under a name with its hash, so that it meets no
other copy in the same process; stripped; and found by RPATH $ORIGIN. The copyright files of the Debian packages that
they come from go to FOLDER/licenses. Needs patchelf and strip.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# What manylinux promises of every system: the C and C++ runtimes.
ON_EVERY_SYSTEM = re.compile(
    r'^(ld-linux.*|libc|libm|libdl|librt|libpthread|libutil|libnsl|libresolv|libgcc_s|libstdc\+\+)\.so')
NEEDED = re.compile(r'^\s*(\S+) => (\S+) \(')


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def tool(name):
    """On the PATH, or beside the Python that runs this."""
    found = shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))
    if found is None:
        sys.exit(f'bundle_libraries.py: {name} is needed')
    return found


def closure(extension):
    """{soname: file} of all that it needs, near or far, and that must come with it."""
    libraries = {}
    for line in run('ldd', str(extension)).splitlines():
        if 'not found' in line:
            sys.exit(f'bundle_libraries.py: {extension}: {line.strip()}')
        match = NEEDED.match(line)
        if match and not ON_EVERY_SYSTEM.match(match[1]):
            libraries[match[1]] = Path(match[2]).resolve()
    return libraries


def hashed_name(soname, file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    stem, dot, rest = soname.partition('.so')
    return f'{stem}-{digest}{dot}{rest}'


def keep_licence(file, folder):
    """The Debian package's copyright file, where the library is of one."""
    for path in (str(file), str(file).removeprefix('/usr')):
        owner = subprocess.run(['dpkg-query', '--search', path], capture_output=True, text=True, check=False)
        package = owner.stdout.split(':')[0]
        copyright_file = Path('/usr/share/doc') / package / 'copyright'
        if package and copyright_file.exists():
            folder.mkdir(exist_ok=True)
            shutil.copy(copyright_file, folder / f'{package}.txt')
            return


def patch(patchelf, file, names, *changes):
    """All in one go: each run of patchelf leaves what it moved behind."""
    needed = run(patchelf, '--print-needed', str(file)).split()
    replaced = [word for name in needed if name in names for word in ('--replace-needed', name, names[name])]
    run(patchelf, *changes, *replaced, str(file))


def bundle(extension, folder):
    patchelf, strip = tool('patchelf'), tool('strip')
    libraries = closure(extension)
    folder.mkdir(parents=True, exist_ok=True)
    names = {soname: hashed_name(soname, file) for soname, file in libraries.items()}
    for soname, file in sorted(libraries.items()):
        copy = folder / names[soname]
        shutil.copy(file, copy)
        copy.chmod(0o755)
        run(strip, '--strip-unneeded', str(copy))
        patch(patchelf, copy, names, '--set-soname', names[soname], '--set-rpath', '$ORIGIN')
        keep_licence(file, folder / 'licenses')
    run(strip, '--strip-unneeded', str(extension))
    patch(patchelf, extension, names, '--set-rpath', '$ORIGIN/' + os.path.relpath(folder, extension.parent))


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    bundle(Path(sys.argv[1]), Path(sys.argv[2]))
