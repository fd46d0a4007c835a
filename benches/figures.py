#!/usr/bin/env python3
"""Prints the tables of the book's measurements that need no peer: programs, hash functions, growth.

    cargo build --release --locked
    benches/figures.py target/release/miden-cvm [programs | hashes | growth ...] [--runs N] [--max-log N]

Every figure is the median of runs in processes of their own. What is compared takes turns, so that a machine that
gets slower does so for all. Processor time is of the whole process, user and system, so assembling and running the
program are in it; so is reading the statement in that of the verifier.
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from sets import program, run

HERE = Path(__file__).resolve().parent
PROGRAMS = {
    "fib_1k": HERE / "programs/fib_1k.masm",
    "sha256": HERE / "programs/sha256.masm",
    "fib_64k": HERE / "programs/fib_64k.masm",
    "ledger": HERE.parent / "examples/ledger",
    "blake3_100": HERE / "programs/blake3_100.masm",
}
FAST = ["--security", "conjectured:96"]
CONTENDERS = {
    "`Fast96`": FAST,
    "`Fast96`, Blake3-192": [*FAST, "--hash", "blake3-192"],
    "`Regular96`": [*FAST, "--preset", "regular"],
    "`Proven100`, the default": [],
}
HASHES = ["blake3-256", "blake3-192", "poseidon2", "rpx", "rpo"]


class Proof:
    """What one proof and its verification took."""

    def __init__(self, binary, target, options, threads=None):
        environment = dict(os.environ)
        if threads is not None:
            environment["RAYON_NUM_THREADS"] = str(threads)
        with tempfile.TemporaryDirectory() as folder:
            files = ["-p", os.path.join(folder, "p"), "-s", os.path.join(folder, "s")]
            made = run([binary, "prove", str(target), "--json", *files, *options], environment)
            security = options[:2] if options[:1] == ["--security"] else []
            checked = run([binary, "verify", "--json", *files, *security], environment)
        self.cycles = made.answer["cycles"]
        self.seconds, self.mebibytes = made.seconds, made.kibibytes / 1024
        self.wall = made.answer["run_seconds"] + made.answer["prove_seconds"]
        self.kibibytes = made.answer["proof_bytes"] / 1024
        self.verify = checked.seconds * 1000


class Median:
    """The medians of several proofs, with the ratio of processor times to others made in the same turns."""

    def __init__(self, proofs, others):
        def of(field):
            return statistics.median(getattr(proof, field) for proof in proofs)

        self.cycles = proofs[0].cycles
        self.seconds, self.mebibytes, self.wall = of("seconds"), of("mebibytes"), of("wall")
        self.kibibytes, self.verify = of("kibibytes"), of("verify")
        self.ratio = statistics.median(one.seconds / other.seconds for one, other in zip(proofs, others))


def turns(runs, takes):
    """The medians of what each of these functions measures, next to the first one."""
    made = [[take() for take in takes] for _ in range(runs)]
    columns = list(zip(*made))
    return [Median(column, columns[0]) for column in columns]


def table(head):
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")


def programs(binary, arguments):
    table(["program", "cycles", "settings", "processor", "peak", "proof", "verify"])
    for name, target in PROGRAMS.items():
        takes = [lambda options=options: Proof(binary, target, options) for options in CONTENDERS.values()]
        for contender, m in zip(CONTENDERS, turns(arguments.runs, takes)):
            print(
                f"| `{name}` | {m.cycles:,} | {contender} | {m.seconds:.2f} s | {m.mebibytes:,.0f} MiB "
                f"| {m.kibibytes:.1f} KiB | {m.verify:.1f} ms |",
                flush=True,
            )


def with_fibonacci(log, take):
    """Takes a measurement of Fibonacci in a loop with just below 2^log cycles."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fib.masm")
        Path(path).write_text(program(1 << log))
        return take(path)


def hashes(binary, arguments):
    table(["hash", "processor", "to Blake3-256", "proof", "verify"])

    def measure(path):
        takes = [lambda name=name: Proof(binary, path, [*FAST, "--hash", name]) for name in HASHES]
        for name, m in zip(HASHES, turns(arguments.runs, takes)):
            print(
                f"| {name} | {m.seconds:.2f} s | {m.ratio:.2f} | {m.kibibytes:.1f} KiB | {m.verify:.1f} ms |",
                flush=True,
            )

    with_fibonacci(16, measure)


def growth(binary, arguments):
    table(["cycles", "processor", "a cycle", "2 threads", "peak", "a cycle", "proof", "verify"])

    def measure(path):
        one, two = turns(arguments.runs, [lambda n=n: Proof(binary, path, FAST, n) for n in (1, 2)])
        print(
            f"| {one.cycles:,} | {one.seconds:.2f} s | {one.seconds / one.cycles * 1e6:.1f} µs | {two.ratio:.2f} "
            f"| {one.mebibytes:,.0f} MiB | {one.mebibytes / one.cycles * 1024:.2f} KiB | {one.kibibytes:.1f} KiB "
            f"| {one.verify:.1f} ms |",
            flush=True,
        )

    for log in range(10, arguments.max_log + 1, 2):
        with_fibonacci(log, measure)


def main():
    tables = {"programs": programs, "hashes": hashes, "growth": growth}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("tables", nargs="*", metavar="table", help=f"of {', '.join(tables)}; all, if none is named")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--max-log", type=int, default=20)
    arguments = parser.parse_args()
    unknown = set(arguments.tables) - set(tables)
    if unknown:
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    for name in arguments.tables or tables:
        tables[name](arguments.binary, arguments)
        print()


if __name__ == "__main__":
    main()
