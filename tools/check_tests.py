#!/usr/bin/env python3
"""Checks that every TEST in a *_test.cc is in the test program of its folder, and that no such file was left out.

usage: check_tests.py ROOT BUILD
"""
import re
import subprocess
import sys
from pathlib import Path

TEST = re.compile(r'^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)', re.MULTILINE)


def tests_in_sources(root):
    """{folder: {Suite.Name}} as written. A *_test.cc not below src/FOLDER/ counts for no folder, so for no program."""
    tests = {}
    for path in sorted(p for top in ('src', 'tests') for p in (root / top).rglob('*_test.cc')):
        parts = path.relative_to(root).parts
        folder = parts[1] if parts[0] == 'src' and len(parts) > 2 else str(path.relative_to(root))
        tests.setdefault(folder, set()).update('.'.join(match) for match in TEST.findall(path.read_text()))
    return tests


def parse_listing(text):
    """{Suite.Name} from --gtest_list_tests. Parameters stand as Instance/Suite.Name/0, types as Suite/0.Name."""
    tests, suite = set(), ''
    for line in text.splitlines():
        name = line.split('#')[0].strip().rstrip('.')
        if line.startswith('  '):
            tests.add(f'{suite}.{name.split("/")[0]}')
        elif line.rstrip().endswith('.') or '#' in line:
            suite = re.sub(r'/\d+$', '', name).split('/')[-1]
    return tests


def check(root, listing_of):
    """`listing_of(folder)` is what the folder's test program lists, or None if there is no such program."""
    errors = []
    sources = tests_in_sources(root)
    for folder, written in sources.items():
        listing = listing_of(folder)
        if listing is None:
            errors.append(f'{folder}: no test program was built from its *_test.cc files')
            continue
        built = parse_listing(listing)
        errors += [f'{folder}: {test} is written but not in the program' for test in sorted(written - built)]
        errors += [f'{folder}: {test} is in the program but not written' for test in sorted(built - written)]
    if not any(sources.values()):
        errors.append('there are no tests')
    return errors


def run_program(build, folder):
    program = build / f'{folder}_test'
    if not program.exists():
        return None
    return subprocess.run([program, '--gtest_list_tests'], check=True, capture_output=True, text=True).stdout


if __name__ == '__main__':
    found = check(Path(sys.argv[1]), lambda folder: run_program(Path(sys.argv[2]), folder))
    print('\n'.join(found) if found else 'tests: ok')
    sys.exit(bool(found))
