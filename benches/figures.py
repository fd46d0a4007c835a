#!/usr/bin/env python3
"""Prints the tables of the book's measurements.

    cargo build --release --locked
    (cd benches; cargo build --release --locked --ignore-rust-version)
    benches/figures.py [peers | programs | hashes | sets | growth | threads | slices | calls ...] [--runs N] [--max-log N]

Every figure is the median of runs in processes of their own. What is compared takes turns, so that a machine that
gets slower does so for all, and ratios are medians of the ratios of one turn. All processes of a turn have the same
deepest stack input, which no program reads: it changes the transcript, so that the time for the proof of work is not
that of one lucky or unlucky proof. Processor time is of the whole process, user and system, so assembling and running
the program are in it. The time for verification is the verifier's alone, from the proof's bytes on, the least of fifteen.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LEDGER = ROOT / "examples/ledger"
PROGRAMS = {
    "fib_1k": HERE / "programs/fib_1k.masm",
    "sha256": HERE / "programs/sha256.masm",
    "fib_64k": HERE / "programs/fib_64k.masm",
    "ledger": LEDGER,
    "blake3_100": HERE / "programs/blake3_100.masm",
}
FAST = ["--security", "conjectured:96"]
REGULAR = [*FAST, "--preset", "regular"]
CONTENDERS = {
    "`Fast96`": FAST,
    "`Fast96`, Blake3-192": [*FAST, "--hash", "blake3-192"],
    "`Regular96`": REGULAR,
    "`Proven100`, the default": [],
}
HASHES = ["blake3-256", "blake3-192", "poseidon2", "rpx", "rpo"]
SETS = {
    "`Proven100`": [],
    "`Proven128`": ["--security", "128"],
    "`Fast96`": FAST,
    "`Fast128`": ["--security", "conjectured:128"],
    "`Regular96`": REGULAR,
    "`Regular128`": ["--security", "conjectured:128", "--preset", "regular"],
    "`Recursive96`": [*FAST, "--preset", "recursive"],
    "`Recursive128`": ["--security", "conjectured:128", "--preset", "recursive"],
    "`Compact96`": [*FAST, "--preset", "compact"],
}

# The versions of miden-vm, the one that ratios are to last.
OLD_PEER, PEER_BLAKE3, PEER = "0.20.6", "1.0.0-rc.0-blake3-256", "1.0.0-rc.0"
# What of a stack at the end all have in common: `ledger` ends with a digest of each one's own hash function, and
# with components the deepest input is still there.
COMPARABLE = {"ledger": [*range(4), *range(8, 15)]}


class Refused(Exception):
    """A process that ended with an error."""


class Run:
    """A process that ended well: its answer in JSON, and what it used."""

    def __init__(self, command, threads=None):
        """Runs a command from a process of its own, which reports what its child used."""
        environment = dict(os.environ)
        if threads is not None:
            environment["RAYON_NUM_THREADS"] = str(threads)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            answer = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            report = [answer.returncode, answer.stdout, answer.stderr, used.ru_utime + used.ru_stime, used.ru_maxrss]
            with os.fdopen(write, "w") as out:
                json.dump(report, out)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as out:
            code, answer, error, self.seconds, kibibytes = json.load(out)
        os.waitpid(child, 0)
        if code != 0:
            raise Refused(error.strip() or answer.strip())
        self.answer = json.loads(answer)
        self.mebibytes = kibibytes / 1024


class Proof:
    """What one proof and its verification took."""

    def __init__(self, made, wall, outputs, verify_seconds):
        self.cycles = made.answer.get("cycles")
        self.seconds, self.mebibytes, self.wall = made.seconds, made.mebibytes, wall
        self.kibibytes = made.answer["proof_bytes"] / 1024
        self.outputs = outputs
        self.verify = verify_seconds * 1000


class Tools:
    """The command line of this project, and the peers'."""

    def __init__(self, arguments, folder):
        self.binary, self.peer, self.folder = arguments.binary, arguments.peer, Path(folder)
        self.files = ["-p", self.folder / "proof", "-s", self.folder / "statement"]

    def inputs(self, target, salt, top_first=False):
        """A file with the inputs of a target, and a deepest stack input."""
        advice = []
        if target == LEDGER:
            advice = json.loads((LEDGER / "ledger.inputs").read_text())["advice_stack"]
        path = self.folder / "inputs"
        stack = [str(salt), *["0"] * 15][:: -1 if top_first else 1]
        path.write_text(json.dumps({"operand_stack": stack, "advice_stack": advice}))
        return path

    def prove(self, target, options, salt=0, threads=None):
        """Proves a target with this project, and verifies the proof."""
        inputs = ["--input", self.inputs(target, salt)]
        made = Run([self.binary, "prove", target, "--json", *self.files, *inputs, *options], threads)
        security = options[:2] if options[:1] == ["--security"] else []
        verify = least_time([self.binary, "verify", "--json", *self.files, *security])
        wall = made.answer["run_seconds"] + made.answer["prove_seconds"]
        return Proof(made, wall, made.answer["stack"], verify)

    def prove_with(self, peer, target, salt):
        """Proves a target with a peer, and verifies the proof."""
        source = target if target != LEDGER else self.ledger_for(peer)
        rest = ["--inputs", self.inputs(target, salt, True), "--proof", self.folder / "peer-proof"]
        made = Run([self.peer, peer, source, "prove", *rest])
        verify = least_time([self.peer, peer, source, "verify", *rest])
        outputs = list(map(str, made.answer["outputs"]))
        return Proof(made, made.answer["wall_seconds"], outputs, verify)

    def ledger_for(self, peer):
        """The work of the example `ledger` without components, with its data in the advice."""
        data = (LEDGER / "deps/bank/ledger/rates.bin").read_bytes()
        version = "miden_0_20" if peer == OLD_PEER else "miden_1_0"
        programs = HERE / "programs/ledger"
        parts = [advice_entry("RATES", data), (programs / f"{version}.masm").read_text()]
        path = self.folder / "ledger.masm"
        path.write_text("\n".join([*parts, (programs / "ledger.masm").read_text()]))
        return path

    def write(self, name, source):
        """A file with a program."""
        path = self.folder / name
        path.write_text(source)
        return path


def least_time(command, runs=15):
    """The least time that a verifier took: it is so short that another process can take its place for longer."""
    return min(Run(command).answer["verify_seconds"] for _ in range(runs))


def advice_entry(name, data):
    """Puts elements of 8 bytes each into the advice map under their commitment, which becomes a constant."""
    elements = (int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8))
    return f"adv_map {name} = [{', '.join(map(str, elements))}]\n"


def fibonacci(log):
    """Fibonacci numbers in a loop, with just below 2^log cycles: a round takes three for each step, and some."""
    steps, around = 40, 13
    rounds = ((1 << log) - 64) // (3 * steps + around)
    return f"""begin
    push.1 push.{rounds}
    dup neq.0
    while.true
        movdn.2
        repeat.{steps}
            swap dup.1 add
        end
        movup.2 sub.1
        dup neq.0
    end
    drop swap drop
end
"""


class Median:
    """The medians of several proofs, with ratios to others made in the same turns."""

    def __init__(self, proofs, others):
        def of(field):
            return statistics.median(getattr(proof, field) for proof in proofs)

        def to(field):
            pairs = zip(proofs, others)
            return statistics.median(getattr(one, field) / getattr(other, field) for one, other in pairs)

        self.cycles = proofs[0].cycles
        self.seconds, self.wall, self.mebibytes = of("seconds"), of("wall"), of("mebibytes")
        self.kibibytes, self.verify = of("kibibytes"), of("verify")
        self.processor_ratio, self.wall_ratio = to("seconds"), to("wall")
        self.memory_ratio, self.proof_ratio = to("mebibytes"), to("kibibytes")


def turns(runs, takes, compared=None):
    """The medians of what each of these functions measures with a salt, next to the last one. What they agree on, of
    the outputs, is compared if it is given."""
    made = [[take(salt) for take in takes] for salt in range(1, runs + 1)]
    for proofs in made:
        if compared and len({tuple(proof.outputs[i] for i in compared) for proof in proofs}) != 1:
            raise Refused("the contenders end with different outputs")
    columns = list(zip(*made))
    return [Median(column, columns[-1]) for column in columns]


def table(*head):
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")


def row(*cells):
    print(f"| {' | '.join(cells)} |", flush=True)


def peers(tools, arguments):
    table("program", "contender", "processor", "wall", "peak", "proof", "verify")
    for name, target in PROGRAMS.items():
        ours = {"`Fast96`": FAST, "`Regular96`": REGULAR}
        takes = [lambda salt, options=options: tools.prove(target, options, salt) for options in ours.values()]
        # The old one needs 11 GB for this program.
        peers = [PEER_BLAKE3, PEER] if name == "blake3_100" else [OLD_PEER, PEER_BLAKE3, PEER]
        takes += [lambda salt, peer=peer: tools.prove_with(peer, target, salt) for peer in peers]
        compared = COMPARABLE.get(name, range(16))
        for contender, m in zip([*ours, *peers], turns(arguments.runs, takes, compared)):
            row(
                f"`{name}`",
                contender,
                f"{m.seconds:.2f} s ({m.processor_ratio:.2f})",
                f"{m.wall:.2f} s ({m.wall_ratio:.2f})",
                f"{m.mebibytes:,.0f} MiB ({m.memory_ratio:.2f})",
                f"{m.kibibytes:.1f} KiB ({m.proof_ratio:.2f})",
                f"{m.verify:.1f} ms",
            )


def programs(tools, arguments):
    table("program", "cycles", "settings", "processor", "peak", "proof", "verify")
    for name, target in PROGRAMS.items():
        takes = [lambda salt, options=options: tools.prove(target, options, salt) for options in CONTENDERS.values()]
        for contender, m in zip(CONTENDERS, turns(arguments.runs, takes)):
            cells = [f"{m.seconds:.2f} s", f"{m.mebibytes:,.0f} MiB", f"{m.kibibytes:.1f} KiB", f"{m.verify:.1f} ms"]
            row(f"`{name}`", f"{m.cycles:,}", contender, *cells)


def hashes(tools, arguments):
    table("hash", "processor", "to Blake3-256", "proof", "verify")
    path = tools.write("fib.masm", fibonacci(16))
    # What the others are compared with takes the last turn.
    names = HASHES[::-1]
    takes = [lambda salt, name=name: tools.prove(path, [*FAST, "--hash", name], salt) for name in names]
    for name, m in reversed(list(zip(names, turns(arguments.runs, takes)))):
        ratio = f"{m.processor_ratio:.2f}"
        row(name, f"{m.seconds:.2f} s", ratio, f"{m.kibibytes:.1f} KiB", f"{m.verify:.1f} ms")


def sets(tools, arguments):
    table("set", "rows", "cycles", "processor time", "peak memory", "proof")
    for log in (log for log in (12, 16, 20) if log <= arguments.max_log):
        path = tools.write("fib.masm", fibonacci(log))
        for name, options in SETS.items():
            try:
                [m] = turns(1, [lambda salt: tools.prove(path, options, salt)])
            except Refused as error:
                row(name, f"2^{log}", str(error))
                continue
            cells = [f"{m.seconds:.1f} s", f"{m.mebibytes:,.0f} MiB", f"{m.kibibytes:.1f} KiB"]
            row(name, f"2^{log}", f"{m.cycles:,}", *cells)


def growth(tools, arguments):
    head = ["cycles", "processor", "a cycle", "2 threads", "peak", "a cycle", "proof", "verify"]
    table("settings", *head)
    measured = {"`Fast96`": (FAST, 22), "`Proven100`": ([], 20)}
    for name in HASHES[1:]:
        measured[f"`Fast96`, {name}"] = ([*FAST, "--hash", name], 18)
    for name, (options, max_log) in measured.items():
        for log in range(10, min(max_log, arguments.max_log) + 1, 2):
            path = tools.write("fib.masm", fibonacci(log))
            takes = [lambda salt, n=n: tools.prove(path, options, salt, n) for n in (2, 1)]
            # From 2^20 rows on, one turn takes minutes.
            two, one = turns(arguments.runs if log < 20 else 1, takes)
            row(
                name,
                f"{one.cycles:,}",
                f"{one.seconds:.2f} s",
                f"{one.seconds / one.cycles * 1e6:.1f} µs",
                f"{two.processor_ratio:.2f}",
                f"{one.mebibytes:,.0f} MiB",
                f"{one.mebibytes / one.cycles * 1024:.2f} KiB",
                f"{one.kibibytes:.1f} KiB",
                f"{one.verify:.1f} ms",
            )


def threads(tools, arguments):
    """What one thread does alone: the one that a proof is made on waits while others work for it. The rest is taken to
    be divided among all cores there are."""
    table("cycles", "processor", "serial", "of it running", "16 cores", "64 cores")
    for log in (log for log in (16, 18, 20) if log <= arguments.max_log):
        path = tools.write("fib.masm", fibonacci(log))
        total, alone = own_thread([tools.binary, "prove", path, *FAST, *tools.files])
        made = Run([tools.binary, "run", path, "--json"])
        serial = alone / total
        speedups = (1 / (serial + (1 - serial) / cores) for cores in (16, 64))
        cells = [f"{total:.2f} s", f"{serial:.1%}", f"{made.seconds / total:.1%}"]
        row(f"{made.answer['cycles']:,}", *cells, *(f"{speedup:.1f} times as fast" for speedup in speedups))


def own_thread(command):
    """The processor time of a process, and what of it is not that of the two threads that others give work to, which
    take the most; as far as it was seen before the process ended."""

    def seconds(path):
        fields = (path / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    quiet = subprocess.DEVNULL
    environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
    process = subprocess.Popen(list(map(str, command)), stdout=quiet, stderr=quiet, env=environment)
    folder = Path(f"/proc/{process.pid}")
    times = {}
    while process.poll() is None:
        try:
            times.update({thread.name: seconds(thread) for thread in (folder / "task").iterdir()})
        except (OSError, ValueError):
            # A thread has ended.
            pass
        time.sleep(0.01)
    if process.wait() != 0:
        raise Refused(f"{command[0]} failed")
    return sum(times.values()), sum(sorted(times.values())[:-2])


def slices(tools, arguments):
    """One run in four slices: in one process, and by four workers of the service, of which each has one thread. Builds
    of `miden-cvm-service` are beside the command line."""
    table("cycles", "proven by", "processor time", "peak memory")
    for log in (log for log in (16, 18, 20, 22) if log <= arguments.max_log):
        path = tools.write("fib.masm", fibonacci(log))
        prove = [tools.binary, "prove", path, "--json", *tools.files]
        sliced = [*prove, "--slices", "4"]
        try:
            Run([*sliced, "--memory", "9K"])
            raise Refused("a proof takes no memory")
        except Refused as error:
            least = int(str(error).rpartition("at least ")[2].split(" KiB")[0])
        in_one = {
            "one process, not sliced": prove,
            "one process, all slices at once": sliced,
            f"one process, one slice after the other (`--memory {least}K`)": [*sliced, "--memory", f"{least}K"],
        }
        for name, command in in_one.items():
            made = Run(command, 1)
            row(f"{made.answer['cycles']:,}", name, f"{made.seconds:.1f} s", f"{made.mebibytes:,.0f} MiB")
        # A worker has what the system has for it besides.
        for memory in (8192, least // 1024 * 5 // 4 + 200):
            for name, seconds, mebibytes in by_workers(tools, sliced, memory):
                name = f"{name}, a job may have {memory:,} MiB"
                row(f"{made.answer['cycles']:,}", name, f"{seconds:.1f} s", f"{mebibytes:,.0f} MiB")


def by_workers(tools, command, memory):
    """What the processes of a job took whose workers have one thread each: the coordinator's is begun first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--listen", listen, "--workers", "4", "--threads", "1", "--job-memory", str(memory)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([tools.binary, "serve", *options], stdout=quiet, stderr=quiet)
    remote = ["--remote", f"http://{listen}"]
    client = None
    found = {}
    try:
        while client is None or client.poll() is None:
            if client is None and answers(listen):
                client = subprocess.Popen(list(map(str, [*command, *remote])), stdout=subprocess.PIPE, text=True)
            for process in children(server.pid):
                found.setdefault(process, None)
                try:
                    found[process] = used(Path(f"/proc/{process}"))
                except (OSError, ValueError, IndexError):
                    # It has ended.
                    pass
            time.sleep(0.05)
        if client.returncode != 0:
            raise Refused(client.stdout.read().strip())
    finally:
        server.terminate()
        server.wait()
    taken = sorted(filter(None, found.values()))
    names = ["the coordinator", *(f"worker {number}" for number in range(1, len(taken)))]
    return [(name, seconds, mebibytes) for name, (_, seconds, mebibytes) in zip(names, taken)]


def answers(address):
    """Returns whether somebody listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port))).close()
        return True
    except OSError:
        return False


def children(parent):
    """The processes of jobs that a process, or one that it runs in its place, has begun."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            above = int(stat.read_text().rpartition(")")[2].split()[1])
            is_job = b"run-job" in (stat.parent / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if is_job and above == parent:
            found.append(int(stat.parent.name))
    return found


def used(process):
    """When a process began, its processor time, and the most memory that it had."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    most = (process / "status").read_text().partition("VmHWM:")[2].split()[0]
    return int(fields[19]), sum(map(int, fields[11:13])) / ticks, int(most) / 1024


def calls(tools, arguments):
    """Rows that a round of a loop takes in 0.20.6. A test of the components counts them for this project."""
    columns = ["cycles", "range", "hasher", "bitwise", "memory"]
    table("one round in 0.20.6", *columns)
    cycles = HERE / "programs/cycles"
    data = advice_entry("DATA", (cycles / "loaded/data.bin").read_bytes())
    loaded = tools.write("loaded.masm", data + (cycles / "call_loaded.masm").read_text())

    def a_round(source, more=32):
        def rows(rounds):
            path = tools.write("inputs", json.dumps({"advice_stack": [str(rounds)]}))
            return Run([tools.peer, OLD_PEER, source, "rows", "--inputs", path]).answer

        one, many = rows(1), rows(1 + more)
        return {column: (many[column] - one[column]) / more for column in columns}

    call, with_data = a_round(cycles / "call.masm"), a_round(loaded)
    subjects = {
        "a call and return": call,
        "16 KiB by `adv_pipe` and a check": {column: with_data[column] - call[column] for column in columns},
        "a list of 1,000 felts by Miden's means": a_round(cycles / "call_list.masm"),
        "a commitment that the callee opens": a_round(cycles / "call_commitment.masm"),
    }
    for subject, rows in subjects.items():
        row(subject, *(f"{rows[column]:,.1f}".removesuffix(".0") for column in columns))


def main():
    tables = {
        "peers": peers,
        "programs": programs,
        "hashes": hashes,
        "sets": sets,
        "growth": growth,
        "threads": threads,
        "slices": slices,
        "calls": calls,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", metavar="table", help=f"of {', '.join(tables)}; all, if none is named")
    parser.add_argument("--binary", default=ROOT / "target/release/miden-cvm", help="the command line")
    parser.add_argument("--peer", default=HERE / "target/release/peer", help="the peers' command line")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--max-log", type=int, default=22, help="leave out what has more than 2^N rows")
    arguments = parser.parse_args()
    unknown = set(arguments.tables) - set(tables)
    if unknown:
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.tables or tables:
            tables[name](Tools(arguments, folder), arguments)
            print()


if __name__ == "__main__":
    main()
