"""Every check of tools/ passes a good tree and fails a bad one."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'tools'))
import check_docs
import check_layers
import check_style
import check_tests

HEADER = '#ifndef DIPTYCH_CORE_A_H_\n#define DIPTYCH_CORE_A_H_\n{}\n#endif  // DIPTYCH_CORE_A_H_\n'
GOOD = {
    'src/LAYERS': '# comment\ncore :\nkernels : core\nimage : core kernels\n',
    'src/core/a.h': HEADER.format('#include <vector>'),
    'src/kernels/b.cc': '#include "core/a.h"\n#include "hwy/highway.h"\n',
    'src/kernels/c_inl.h': '#if defined(DIPTYCH_KERNELS_C_INL_H_) == defined(HWY_TARGET_TOGGLE)\n#endif\n',
    'src/image/c.cc': '#include "core/a.h"\n#include "diptych/d.h"\n',
    'src/image/c_test.cc': 'TEST(Image, Works) {\n}\nTEST_P(Image, Scales) {\n}\nTYPED_TEST(Pixel, Fits) {\n}\n',
    'include/diptych/d.h': '#ifndef DIPTYCH_D_H_\n#define DIPTYCH_D_H_\n#include <string>\n#endif  // DIPTYCH_D_H_\n',
    'README.md': 'See [it](src/LAYERS), `src/core/a.h`.\n```sh\n./test\nbuild/diptych classify  # a comment\n```\n',
    'test': 'ctest\n',
}
LISTING = 'Image.\n  Works\nAll/Image.\n  Scales/0  # GetParam() = 1\n  Scales/1  # GetParam() = 2\nPixel/0.\n  Fits\n'


class Checks(unittest.TestCase):
    def check(self, check, **changes):
        """The errors of a check on GOOD with some files changed, each named by its path."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**GOOD, **changes.get('files', {})}.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            Path(folder, 'test').chmod(0o755)
            return check(Path(folder))

    def assert_fails(self, check, name, text, message):
        errors = self.check(check, files={name: text})
        self.assertTrue(any(message in error for error in errors), f'{message!r} not in {errors}')

    def test_layers(self):
        check = check_layers.check
        self.assertEqual(self.check(check), [])
        self.assert_fails(check, 'src/core/a.cc', '#include "image/c.h"\n', 'there is no src/image/c.h')
        self.assert_fails(check, 'src/core/a.h', '#include "kernels/b.cc"\n', 'core may not include kernels/b.cc')
        self.assert_fails(check, 'src/core/a.h', '#include "core/a.h"\n', 'include each other')
        self.assert_fails(check, 'src/core/a.cc', '#include "a.h"\n', 'must name its folder')
        self.assert_fails(check, 'src/image/c.cc', '#include <immintrin.h>\n', 'for src/kernels alone')
        self.assert_fails(check, 'src/image/c.cc', '#include "oneapi/dnnl/dnnl.hpp"\n', 'for src/kernels alone')
        self.assert_fails(check, 'src/extra/e.cc', '', 'not in src/LAYERS')
        self.assert_fails(check, 'src/LAYERS', 'core : image\nkernels :\nimage : core\n', 'does not stand above')
        self.assert_fails(check, 'include/diptych/d.h', '#include "core/a.h"\n', 'a public header')
        self.assert_fails(check, 'include/diptych/d.h', '#include <nlohmann/json.hpp>\n', 'a public header')

    def test_style(self):
        check = check_style.check
        self.assertEqual(self.check(check), [])
        self.assert_fails(check, 'src/core/a.cc', '\n' * 501, '501 lines')
        self.assert_fails(check, 'src/core/a.cc', 'x' * 121 + '\n', '121 columns')
        self.assert_fails(check, 'src/core/a.cc', 'int x; \n', 'space at the end')
        self.assert_fails(check, 'src/core/a.h', '#pragma once\n', 'include guard DIPTYCH_CORE_A_H_')
        self.assert_fails(check, 'src/kernels/c_inl.h', '#pragma once\n', 'include guard DIPTYCH_KERNELS_C_INL_H_')
        self.assert_fails(check, 'src/core/a.cc', 'int F() {\n' + '  F();\n' * 79 + '}\n', 'a function of 81 lines')
        self.assert_fails(check, 'src/core/a.h', 'struct S {\n  int F() {\n' + '    F();\n' * 79 + '  }\n', '81 lines')
        self.assertEqual(self.check(check, files={'src/core/a.cc': 'int F() {\n' + '  F();\n' * 78 + '}\n'}), [])
        for statement in ('printf("x");', 'std::cout << 1;', 'throw 1;', 'exit(1);', 'std::abort();'):
            self.assert_fails(check, 'src/core/a.cc', statement + '\n', 'never prints')
            self.assertEqual(self.check(check, files={'src/cli/main.cc': statement + '\n'}), [])
        self.assertEqual(self.check(check, files={'src/core/a.cc': 'F("throw");  // exit(1)\n'}), [])

    def test_docs(self):
        check = check_docs.check
        self.assertEqual(self.check(check), [])
        self.assert_fails(check, 'README.md', '[a](docs/missing.md)\n', 'there is no docs/missing.md')
        self.assert_fails(check, 'docs/x.md', 'In `src/core/missing.h`.\n', 'there is no src/core/missing.h')
        self.assert_fails(check, 'README.md', '```sh\nmake everything\n```\n', 'no test runs this command')

    def test_flags(self):
        check = check_docs.check
        declaration = {'include/diptych/d.h': GOOD['include/diptych/d.h'] + 'Field{.name = "lock_image"}\n'}
        good = ('Say `--lock-image N` or `--help`; `mpirun --bind-to none`.\n'
                '```bash\nmpirun --bind-to none diptych train --lock-image\n```\n')
        self.assertEqual(self.check(check, files={**declaration, 'docs/x.md': good}), [])
        self.assert_fails(check, 'docs/x.md', 'Say `--lock-image N`.\n', 'no command has a flag --lock-image')
        self.assert_fails(check, 'docs/x.md', '```bash\nx | build/diptych train \\\n  --lock\n```\n', 'a flag --lock')

    def test_commands(self):
        def run(exit_code, *names, **files):
            def check(root):
                program = root / 'build' / 'diptych'
                program.parent.mkdir()
                program.write_text(f'#!/bin/sh\ntest "$1" = classify || exit 9\nexit {exit_code}\n')
                program.chmod(0o755)
                return check_docs.run(root, program.parent, names)
            return self.check(check, files={f'{name}.md': text for name, text in files.items()})
        self.assertEqual(run(0), [])
        self.assertIn('exit code 3: build/diptych classify', run(3)[0])
        # Every command of another document, each after what comes before it; other blocks are not run.
        document = '```sh\ndiptych classify > x\ntest -e x\n```\n```bash\nfalse\n```\n'
        self.assertEqual(run(0, 'guide.md', guide=document), [])
        self.assertIn('exit code 1: test -e y', run(0, 'guide.md', guide=document.replace('-e x', '-e y'))[0])
        self.assertIn('no command to run', run(0, 'guide.md', guide='```bash\nfalse\n```\n')[0])

    def test_tests(self):
        def check(listing):
            return self.check(lambda root: check_tests.check(root, lambda folder: listing))
        self.assertEqual(check(LISTING), [])
        self.assertIn('image: Image.Works is written but not in the program', check('Pixel/0.\n  Fits\n'))
        self.assertIn('image: Other.Test is in the program but not written', check(LISTING + 'Other.\n  Test\n'))
        self.assertIn('no test program', check(None)[0])
        below = {'src/image/png/d_test.cc': 'TEST(Png, Reads) {\n}\n'}  # of the program of src/image too
        errors = self.check(lambda root: check_tests.check(root, lambda folder: LISTING), files=below)
        self.assertEqual(errors, ['image: Png.Reads is written but not in the program'])


if __name__ == '__main__':
    unittest.main()
