"""Records of bench figures: what is appended is read back, and a ratio that fell is reported."""
import argparse
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).parent.parent / 'bench'
sys.path.insert(0, str(BENCH))
import records


class Records(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, 'records.jsonl')

    def add(self, cpu, **ratios):
        records.append('made up', ratios, self.path, cpu)

    def compare(self):
        return subprocess.run([sys.executable, BENCH / 'compare', self.path], capture_output=True, text=True)

    def fallen(self):
        return [(cpu, name) for cpu, name, _, _ in records.falls(records.load(self.path))]

    def test_a_fall_beyond_the_limit_is_reported(self):
        self.add('A', image=1.20, text=1.10)
        self.add('A', image=1.00, text=0.95)  # -17 %, -14 %
        self.assertEqual(self.fallen(), [('A', 'image')])
        run = self.compare()
        self.assertEqual(run.returncode, 1)
        self.assertIn('image: 1.2 on ', run.stdout)
        self.assertIn('(-17%), A', run.stdout)
        self.assertNotIn('text', run.stdout)

    def test_processors_are_not_compared_with_each_other(self):
        self.add('A', image=1.2)
        self.add('B', image=0.5)
        self.assertEqual(self.fallen(), [])
        self.assertEqual(self.compare().returncode, 0)

    def test_the_last_record_counts_even_if_another_bench_was_run_between(self):
        self.add('A', image=1.2)
        self.add('A', text=3)
        self.add('B', image=1.2)
        self.add('A', image=0.8)
        self.assertEqual(self.fallen(), [('A', 'image')])

    def test_a_mended_fall_is_no_longer_reported(self):
        for value in (1.2, 0.8, 1.2):
            self.add('A', image=value)
        self.assertEqual(self.fallen(), [])

    def test_what_is_no_ratio_is_not_recorded(self):
        for value in (0.0, -1.0, float('nan'), float('inf')):
            with self.assertRaises(ValueError):
                self.add('A', image=value)
        self.assertFalse(self.path.exists())

    def test_a_script_keeps_its_ratios_where_it_is_asked_to(self):
        parser = argparse.ArgumentParser()
        parser.add_argument('--rounds', type=int, default=3)
        records.option(parser)
        records.keep(parser.parse_args([]), {'image': 1.2}, 'rounds', path=self.path)
        self.assertFalse(self.path.exists())
        records.keep(parser.parse_args(['--record']), {'image': 1.2}, 'rounds', path=self.path)
        [record] = records.load(self.path)
        self.assertEqual(record['command'], f'{Path(sys.argv[0]).name} --rounds 3')
        self.assertEqual(record['ratios'], {'image': 1.2})

    def test_broken_records(self):
        for line in ('{', '[]', '{}', '{"date": "d", "cpu": "c", "command": "x", "ratios": {"a": "high"}}',
                     '{"date": "d", "cpu": "c", "command": "x", "ratios": 3}'):
            self.path.write_text(json.dumps({'date': 'd', 'cpu': 'c', 'command': 'x', 'ratios': {}}) + '\n' + line)
            run = self.compare()
            self.assertEqual(run.returncode, 2, line)
            self.assertIn(f'{self.path}:2: not a record', run.stderr)

    def test_the_processor_model_is_named_with_its_numbers(self):
        self.path.write_text('processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Some Xeon\n\n'
                             'model name\t: x\n')
        self.assertEqual(records.cpu_name(self.path), 'Some Xeon (family 6, model 207)')

    def test_the_records_kept_in_the_tree_can_be_read(self):
        self.assertGreater(len(records.load()), 0)


if __name__ == '__main__':
    unittest.main()
