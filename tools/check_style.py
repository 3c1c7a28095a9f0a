#!/usr/bin/env python3
"""Checks the rules of CONTRIBUTING.md that a machine can see.

usage: check_style.py [ROOT]
"""
import re
import sys
from pathlib import Path

MAX_LINES, MAX_FUNCTION, MAX_COLUMNS = 500, 80, 120
FOLDERS = ['src', 'include', 'tests', 'tools', 'bench', 'cmake']
# The library never prints, ends the process or throws, but for our own bugs: CHECK, and the value of a failed Result.
# The program prints, and exceptions are how Python is told of errors.
SPEAKS_TO_PEOPLE = ('cli', 'python')
REPORTS_BUGS = ('src/core/check.cc', 'include/diptych/status.h')
FORBIDDEN = re.compile(r'\b(?:f?printf|puts|abort|exit|_exit|terminate)\s*\(|\bstd::(?:cout|cerr|clog)\b|\bthrow\b')
LITERAL = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|//.*|^ \*.*')


def check_guard(path, lines, base):
    guard = 'DIPTYCH_' + re.sub(r'\W', '_', str(path.relative_to(base))).upper() + '_'
    if base.name == 'include':
        guard = guard.replace('DIPTYCH_DIPTYCH_', 'DIPTYCH_')
    text = '\n'.join(lines)
    if path.name.endswith('_inl.h'):  # compiled once for each instruction set: Highway's guard toggles
        ok = f'#if defined({guard}) == defined(HWY_TARGET_TOGGLE)' in text
    else:
        ok = f'#ifndef {guard}\n#define {guard}' in text and text.endswith(f'#endif  // {guard}')
    if not ok:
        yield f'{path}:1: include guard {guard} expected'


def check_functions(path, lines):
    """A body closes with } in the column where its signature began: clang-format sees to that."""
    for indent in ('', '  '):
        start = 0
        for number, line in enumerate(lines, 1):
            if line == indent + '}' and number - start >= MAX_FUNCTION:
                yield f'{path}:{start}: a function of {number - start + 1} lines (at most {MAX_FUNCTION})'
            if re.match(indent + r'[^\s#}/]', line):
                start = number


def check_lines(path, lines, may_print):
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield f'{path}:{number}: {len(line)} columns (at most {MAX_COLUMNS})'
        if line != line.rstrip():
            yield f'{path}:{number}: space at the end of the line'
        match = not may_print and FORBIDDEN.search(LITERAL.sub('""', line))
        if match:
            yield f'{path}:{number}: the library never prints, exits or throws: {match[0]}'


def check_file(path, root):
    lines = path.read_text().splitlines()
    if len(lines) > MAX_LINES:
        yield f'{path}: {len(lines)} lines (at most {MAX_LINES})'
    parts = path.relative_to(root).parts
    is_cxx = path.suffix in ('.h', '.cc')
    in_library = is_cxx and parts[0] in ('src', 'include') and parts[1] not in SPEAKS_TO_PEOPLE
    is_exempt = path.name.endswith('_test.cc') or '/'.join(parts) in REPORTS_BUGS
    yield from check_lines(path, lines, may_print=is_exempt or not in_library)
    if is_cxx:
        yield from check_functions(path, lines)
    if path.suffix == '.h' and parts[0] in ('src', 'include'):
        yield from check_guard(path, lines, root / parts[0])


def check(root):
    errors = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in ('.h', '.cc', '.py', '.sh', '.cmake'):
                errors += check_file(path, root)
    return errors


if __name__ == '__main__':
    found = check(Path(sys.argv[1] if len(sys.argv) > 1 else '.'))
    print('\n'.join(found) if found else 'style: ok')
    sys.exit(bool(found))
