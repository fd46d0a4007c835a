"""What `run.py` makes of results: `python3 -m unittest` in this folder."""

import contextlib
import io
import unittest

import run

KNOWN = next(iter(run.KNOWN))


class Results(unittest.TestCase):
    def tell(self, results):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            unexpected = run.tell("suite", results)
        return unexpected, printed.getvalue()

    def test_what_is_equal_is_counted(self):
        unexpected, printed = self.tell({"a": "ok", "b": "ok", "c": "ignored"})
        self.assertEqual(unexpected, 0)
        self.assertEqual(printed, "suite: 2 run, 2 equal, 0 different\n")

    def test_a_known_difference_is_told_and_expected(self):
        unexpected, printed = self.tell({"a": "ok", KNOWN: "FAILED"})
        self.assertEqual(unexpected, 0)
        self.assertIn(f"different: {KNOWN}: {run.KNOWN[KNOWN]}\n", printed)
        self.assertIn("2 run, 1 equal, 1 different", printed)

    def test_another_difference_is_not_expected(self):
        unexpected, printed = self.tell({"a": "FAILED", KNOWN: "FAILED"})
        self.assertEqual(unexpected, 1)
        self.assertIn("different: a: not known why\n", printed)

    def test_a_known_difference_that_is_none_is_not_expected(self):
        unexpected, printed = self.tell({KNOWN: "ok"})
        self.assertEqual(unexpected, 1)
        self.assertIn("said to differ", printed)

    def test_the_sample_has_every_suite_and_a_known_difference(self):
        self.assertEqual(set(run.SAMPLE), set(run.SUITES))
        filters = [name for names in run.SAMPLE.values() for name in names]
        self.assertTrue(any(name in KNOWN for name in filters))


if __name__ == "__main__":
    unittest.main()
