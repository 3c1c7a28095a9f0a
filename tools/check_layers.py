#!/usr/bin/env python3
"""Checks that every include in src/ is one that src/LAYERS grants, and that what must stay hidden does.

usage: check_layers.py [ROOT]
"""
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Only kernels/ sees the libraries and instructions that numbers are computed with.
ONLY_IN_KERNELS = re.compile(r'^(dnnl|oneapi/|hwy/|omp\.h|\w*intrin\.h|arm_\w+\.h|cblas)')


def read_layers(path):
    """LAYERS as {folder: granted folders}, in its order, and the errors in it."""
    layers, errors = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        folder, _, granted = (part.strip() for part in line.partition(':'))
        for other in granted.split():
            if other not in layers:
                errors.append(f'{path}:{number}: {folder} may not include {other}, which does not stand above it')
        layers[folder] = set(granted.split())
    return layers, errors


def includes_of(path):
    """(line, True for <...>, what) of every include in a file."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == '<', match[2]


def check_file(path, folder, layers, src):
    for number, angled, include in includes_of(path):
        is_arithmetic = ONLY_IN_KERNELS.match(include)
        if is_arithmetic and folder != 'kernels':
            yield f'{path}:{number}: {include} is for src/kernels alone'
        if angled or is_arithmetic:
            continue
        target = include.split('/')[0]
        if '/' not in include:
            yield f'{path}:{number}: "{include}" must name its folder'
        elif target == 'diptych' or target == 'support' and path.name.endswith('_test.cc'):
            continue  # the public headers, and what tests/support gives to tests
        elif not (src / include).exists():
            yield f'{path}:{number}: there is no src/{include}'
        elif target != folder and target not in layers[folder]:
            yield f'{path}:{number}: {folder} may not include {include} (src/LAYERS)'


def check_public(path):
    for number, angled, include in includes_of(path):
        if not angled and not include.startswith('diptych/') or angled and '/' in include:
            yield f'{path}:{number}: a public header includes only the standard library and diptych/: {include}'


def find_cycle(graph):
    """A list of headers that include each other in a ring, or None."""
    done = set()

    def visit(header, trail):
        if header in trail:
            return trail[trail.index(header):] + [header]
        if header in done:
            return None
        done.add(header)
        for other in graph.get(header, ()):
            ring = visit(other, trail + [header])
            if ring:
                return ring
        return None

    for header in graph:
        ring = visit(header, [])
        if ring:
            return ring
    return None


def check(root):
    src = root / 'src'
    layers, errors = read_layers(src / 'LAYERS')
    graph = {}
    for path in sorted(p for p in src.rglob('*') if p.suffix in ('.h', '.cc')):
        folder = path.relative_to(src).parts[0]
        if folder not in layers:
            errors.append(f'{path}: the folder {folder} is not in src/LAYERS')
            continue
        errors += check_file(path, folder, layers, src)
        if path.suffix == '.h':
            graph[str(path.relative_to(src))] = [include for _, angled, include in includes_of(path) if not angled]
    for path in sorted((root / 'include').rglob('*.h')):
        errors += check_public(path)
    ring = find_cycle(graph)
    if ring:
        errors.append('headers include each other: ' + ' -> '.join(ring))
    return errors


if __name__ == '__main__':
    found = check(Path(sys.argv[1] if len(sys.argv) > 1 else '.'))
    print('\n'.join(found) if found else 'layers: ok')
    sys.exit(bool(found))
