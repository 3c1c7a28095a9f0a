#!/usr/bin/env python3
"""Makes a Python extension stand alone: brings in the libraries that it needs and that not every Linux has, as
auditwheel would, but smaller.

usage: bundle_libraries.py BUILT.so INSTALLED.so FOLDER COMPILER

BUILT is the extension in the build tree, which finds its libraries where they are; INSTALLED is its copy, whose
DT_RPATH names FOLDER and so holds for what it loads from there, too. Each library is copied into FOLDER, stripped, and
renamed, so that it meets no other copy in the same process: the "lib" of its name becomes three digits of its hash.
Since the length stays the same, names are replaced in place. (patchelf moves them to the end of the file, for which it
pads it to the library's page size: 6 MB of oneDNN, 15 % of the others.)

Libraries that serve a protocol which Diptych never speaks are replaced by stand-ins: all of their functions fail.
The copyright files of the Debian packages that the others come from go to FOLDER/licenses. Needs readelf and strip.
"""
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What manylinux promises of every system: the C and C++ runtimes.
ON_EVERY_SYSTEM = re.compile(
    r'^(ld-linux.*|libc|libm|libdl|librt|libpthread|libutil|libnsl|libresolv|libgcc_s|libstdc\+\+)\.so')
# Of libcurl and libpq, with what their functions answer: 8 MB with what they need themselves. src/hub speaks HTTP
# alone, and stores on PostgreSQL servers are opened by password or certificate, not by Kerberos or an LDAP directory.
NEVER_USED = {
    re.compile(r'^librtmp\b'): 0,
    re.compile(r'^lib(ldap|lber)\b'): 0,
    re.compile(r'^libgssapi_krb5\b'): 13 << 16,  # GSS_S_FAILURE
}
FOUND = re.compile(r'^\s*(\S+) => (\S+) \(')
NEEDED = re.compile(r'\(NEEDED\).*\[(.*)\]')
DYNSTR = re.compile(r'\.dynstr\s+STRTAB\s+\w+ (\w+) (\w+)')


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def fail(*words):
    sys.exit('bundle_libraries.py: ' + ' '.join(str(word) for word in words))


def needed(file):
    return NEEDED.findall(run('readelf', '-dW', file))


def answer_of_stand_in(soname):
    return next((answer for pattern, answer in NEVER_USED.items() if pattern.match(soname)), None)


def closure(extension):
    """{soname: file} of all that must come with it: what it needs, and what that needs."""
    found = {}
    for line in run('ldd', extension).splitlines():
        if 'not found' in line:
            fail(extension, line.strip())
        if match := FOUND.match(line):
            found[match[1]] = Path(match[2]).resolve()
    libraries, files = {}, [extension]
    while files:
        for soname in needed(files.pop()):
            if soname in libraries or ON_EVERY_SYSTEM.match(soname):
                continue
            libraries[soname] = found[soname]
            if answer_of_stand_in(soname) is None:
                files.append(found[soname])
    return libraries


def symbols(file):
    """(name, version or '', is it a function, is it defined) of those that meet other libraries'."""
    for line in run('readelf', '--dyn-syms', '-W', file).splitlines():
        words = line.split()
        if len(words) >= 8 and words[4] in ('GLOBAL', 'WEAK'):
            name, _, version = words[7].partition('@')
            yield name, version.lstrip('@'), words[3] == 'FUNC', words[6] != 'UND'


def make_stand_in(library, soname, importers, copy, compiler):
    """A library with the functions of `library` that `importers` call, which fail, and null for its variables."""
    imported = {name for file in importers for name, _, _, defined in symbols(file) if not defined}
    exported = {name: (version, function) for name, version, function, defined in symbols(library) if defined}
    answer, code, versions = answer_of_stand_in(soname), [], {}
    for name in sorted(imported & exported.keys()):
        version, function = exported[name]
        code.append(f'long {name}(void) {{ return {answer}; }}' if function else f'void* {name} = 0;')
        versions.setdefault(version, []).append(name)
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, 'stand_in.c'), Path(folder, 'versions')
        source.write_text('\n'.join(code))
        script.write_text('\n'.join(f'{version} {{ {"; ".join(names)}; }};' for version, names in versions.items()))
        run(compiler, '-x', 'c', '-shared', '-fPIC', '-nostdlib', '-w', f'-Wl,-soname,{soname}',
            f'-Wl,--version-script={script}', '-Wl,-z,max-page-size=4096', source, '-o', copy)


def rename(file, names):
    """Its own name and those that it needs, in place."""
    offset, size = (int(word, 16) for word in DYNSTR.search(run('readelf', '-SW', file)).groups())
    content = bytearray(file.read_bytes())
    strings = bytes(content[offset:offset + size])
    for old, new in names.items():
        strings = strings.replace(f'\0{old}\0'.encode(), f'\0{new}\0'.encode())
    content[offset:offset + size] = strings
    file.write_bytes(content)
    if missed := names.keys() & set(needed(file)):
        fail(file, 'names', *missed, 'inside another string')


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


def bundle(built, installed, folder, compiler):
    libraries = closure(built)
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for soname, file in libraries.items():
        digits = hashlib.sha256(file.read_bytes()).hexdigest()[:3]
        names[soname] = digits + soname.removeprefix('lib')
        if len(names[soname]) != len(soname):
            fail(soname, 'does not begin with "lib"')
    for soname, file in libraries.items():
        copy = folder / names[soname]
        if answer_of_stand_in(soname) is None:
            shutil.copy(file, copy)
            keep_licence(file, folder / 'licenses')
        else:
            importers = [built, *(other for other in libraries.values() if soname in needed(other))]
            make_stand_in(file, soname, importers, copy, compiler)
        copy.chmod(0o755)
        run('strip', '--strip-unneeded', copy)
        rename(copy, names)
    run('strip', '--strip-unneeded', installed)
    rename(installed, names)


if __name__ == '__main__':
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    bundle(*map(Path, sys.argv[1:4]), sys.argv[4])
