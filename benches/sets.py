#!/usr/bin/env python3
"""Prints what every parameter set costs: processor time, peak memory and the size of the proof.

    cargo build --release --locked
    benches/sets.py target/release/miden-cvm [log2 of the rows ...]

The program is Fibonacci in a loop, with just below as many cycles as rows are asked for: by default 2^12, 2^16
and 2^20. Times are of the whole process, user and system, so running the program is in them.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile

# Name of the set, and the options that choose it.
SETS = [
    ("Proven100", []),
    ("Proven128", ["--security", "128"]),
    ("Fast96", ["--security", "conjectured:96"]),
    ("Fast128", ["--security", "conjectured:128"]),
    ("Regular96", ["--security", "conjectured:96", "--preset", "regular"]),
    ("Regular128", ["--security", "conjectured:128", "--preset", "regular"]),
    ("Recursive96", ["--security", "conjectured:96", "--preset", "recursive"]),
    ("Recursive128", ["--security", "conjectured:128", "--preset", "recursive"]),
]

# A round of the loop takes as many cycles as steps in it, three each, and those that count rounds.
STEPS, AROUND = 40, 13


def program(rows):
    rounds = (rows - 64) // (3 * STEPS + AROUND)
    return f"""begin
    push.1 push.{rounds}
    dup neq.0
    while.true
        movdn.2
        repeat.{STEPS}
            swap dup.1 add
        end
        movup.2 sub.1
        dup neq.0
    end
    drop swap drop
end
"""


class Run:
    """A process that ended well: its answer in JSON, and what it used."""

    def __init__(self, answer, seconds, kibibytes):
        self.answer, self.seconds, self.kibibytes = answer, seconds, kibibytes


class Refused(Exception):
    """A process that ended with an error."""


def run(command, environment=None):
    """Runs a command from a process of its own, which reports what its child used."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        answer = subprocess.run(command, capture_output=True, text=True, env=environment)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = [answer.returncode, answer.stdout, answer.stderr, used.ru_utime + used.ru_stime, used.ru_maxrss]
        with os.fdopen(write, "w") as out:
            json.dump(report, out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as out:
        code, answer, error, seconds, kibibytes = json.load(out)
    os.waitpid(child, 0)
    if code != 0:
        raise Refused(error.strip() or answer.strip())
    return Run(json.loads(answer), seconds, kibibytes)


def measure(binary, options, source):
    """Runs one proof."""
    with tempfile.TemporaryDirectory() as folder:
        path, proof = os.path.join(folder, "fib.masm"), os.path.join(folder, "fib.proof")
        with open(path, "w") as file:
            file.write(source)
        return run([binary, "prove", path, "--json", "-p", proof, *options])


def main():
    binary, *logs = sys.argv[1:]
    print("| set | rows | cycles | processor time | peak memory | proof |\n| --- | --- | --- | --- | --- | --- |")
    for log in map(int, logs or ["12", "16", "20"]):
        for name, options in SETS:
            try:
                made = measure(binary, options, program(1 << log))
            except Refused as error:
                print(f"| `{name}` | 2^{log} | {error} |")
                continue
            cycles, size = made.answer["cycles"], made.answer["proof_bytes"] / 1024
            memory = made.kibibytes / 1024
            print(
                f"| `{name}` | 2^{log} | {cycles:,} | {made.seconds:.1f} s | {memory:,.0f} MiB | {size:.1f} KiB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
