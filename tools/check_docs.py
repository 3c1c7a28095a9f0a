#!/usr/bin/env python3
"""Checks that documents name what exists, and that their commands work.

usage: check_docs.py ROOT             every path and flag in a .md exists; every command of README.md is one that is run
       check_docs.py ROOT --run BUILD [DOCUMENT...] run the commands of documents (README.md) with BUILD/diptych

A command is a line of a ```sh block. README.md's diptych commands are run as they stand; any other must be a program of
the repository or stand in one of the scripts that CI runs. Of every other document all commands are run, in order.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LINK = re.compile(r'\]\(([^)#\s]+)(?:#[^)]*)?\)')
CODE = re.compile(r'`([^`\s]+)`')
PATH = re.compile(r'^\.{0,2}/?[\w.-]+(/[\w.-]+)*/?$')
SH_BLOCK = re.compile(r'^```sh\n(.*?)^```', re.MULTILINE | re.DOTALL)
ANY_BLOCK = re.compile(r'^```\w*\n(.*?)^```', re.MULTILINE | re.DOTALL)
FLAG = re.compile(r'(?<!\S)--[a-z][a-z0-9-]*')
FLAG_CODE = re.compile(r'`(--[a-z][^`]*)`')
DIPTYCH_LINE = re.compile(r'^(?:.*\s)?(?:\S*/)?diptych\s+[a-z].*$', re.MULTILINE)
DECLARED = re.compile(r'\.name = "(\w+)"')
FLAGS_OF_EVERY_COMMAND = {'--help', '--version'}
MADE_BY_BUILDING = re.compile(r'^(build|build-\w+)(/|$)')


def documents(root):
    skipped = lambda path: any(part.startswith(('build', '.')) for part in path.relative_to(root).parts)
    return sorted(path for path in root.rglob('*.md') if not skipped(path))


def paths_in(text, tops):
    """(line, path) of every link to a file, and of every `code` that begins with one of the root's entries."""
    in_block = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith('```'):
            in_block = not in_block
        if in_block:
            continue
        for target in LINK.findall(line):
            if '://' not in target and not target.startswith('mailto:'):
                yield number, target
        for word in CODE.findall(line):
            if PATH.match(word) and (word.split('/')[0] in tops and '/' in word or word.startswith(('./', '../'))):
                yield number, word


def check_paths(path, root):
    tops = {entry.name for entry in root.iterdir()} | {'build'}
    for number, name in paths_in(path.read_text(), tops):
        if MADE_BY_BUILDING.match(name):
            continue
        if not (root / name).exists() and not (path.parent / name).exists():
            yield f'{path}:{number}: there is no {name}'


def declared_flags(root):
    """Every flag that a command of the program has, from where the options are declared."""
    sources = [*(root / 'include').rglob('*.h'), *(root / 'src/cli').glob('*')]
    names = {name for path in sources for name in DECLARED.findall(path.read_text())}
    return FLAGS_OF_EVERY_COMMAND | {'--' + name.replace('_', '-') for name in names}


def check_flags(path, known):
    """A flag is what `code` begins with, or follows diptych in a line of a block."""
    text = path.read_text()
    blocks = '\n'.join(ANY_BLOCK.findall(text)).replace('\\\n', ' ')
    used = [flag for code in FLAG_CODE.findall(ANY_BLOCK.sub('', text)) for flag in FLAG.findall(code)]
    for line in DIPTYCH_LINE.findall(blocks):
        used += FLAG.findall(re.sub(r'(^|\s)#.*', '', line).split('diptych', 1)[1])
    for flag in sorted(set(used) - known):
        yield f'{path}: no command has a flag {flag}'


def commands(document):
    """The lines of the ```sh blocks, without comments; a line that ends with \\ goes on in the next."""
    text = '\n'.join(SH_BLOCK.findall(document.read_text())).replace('\\\n', ' ')
    lines = (re.sub(r'(^|\s+)#.*', '', line).strip() for line in text.splitlines())
    return [re.sub(r'\s+', ' ', line) for line in lines if line]


def is_diptych(command):
    return command.split()[0] in ('diptych', 'build/diptych')


def check_commands(root):
    scripts = [root / name for name in ('quickstart', 'test', '.ci/run')] + list((root / 'tests').glob('*.sh'))
    text = '\n'.join(path.read_text() for path in scripts if path.exists())
    for command in commands(root / 'README.md'):
        started = (root / command).is_file() and os.access(root / command, os.X_OK)
        if not is_diptych(command) and not started and command not in text:
            yield f'{root}/README.md: no test runs this command: {command}'


def run_commands(root, build, name='README.md'):
    """Runs a document's commands in a scratch folder that looks like the root: their outputs stay out of it."""
    found = commands(root / name)
    if name == 'README.md':
        found = list(filter(is_diptych, found))
    if not found:
        yield f'{root}/{name}: no command to run'
    with tempfile.TemporaryDirectory() as scratch:
        for entry in root.iterdir():
            if not entry.name.startswith('build'):
                os.symlink(entry.resolve(), Path(scratch) / entry.name)
        os.symlink(build.resolve(), Path(scratch) / 'build')
        # Threads that wait for each other by spinning crawl where other tests run beside them.
        environment = {**os.environ, 'OMP_WAIT_POLICY': 'passive', 'PATH': f'{build.resolve()}:{os.environ["PATH"]}'}
        for command in found:
            done = subprocess.run(command, shell=True, cwd=scratch, env=environment, capture_output=True, text=True)
            if done.returncode:
                yield f'{root}/{name}: exit code {done.returncode}: {command}\n{done.stderr}'
                return  # what follows may build on it


def check(root):
    flags = declared_flags(root)
    errors = [error for path in documents(root) for error in (*check_paths(path, root), *check_flags(path, flags))]
    return errors + list(check_commands(root))


def run(root, build, names):
    return [error for name in names or ['README.md'] for error in run_commands(root, build, name)]


if __name__ == '__main__':
    top = Path(sys.argv[1])
    found = run(top, Path(sys.argv[3]), sys.argv[4:]) if sys.argv[2:3] == ['--run'] else check(top)
    print('\n'.join(found) if found else 'docs: ok')
    sys.exit(bool(found))
