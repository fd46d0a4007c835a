#!/usr/bin/env python3
"""Runs the published tests of Miden's crates on Miden CVM.

    miden/upstream/run.py [sample] [protocol] [vm] [library] [-- FILTER]

The tests are those in the sources that cargo has of `miden-testing` 0.13.3 (protocol), `miden-vm` 0.20.6
(vm) and `miden-core-lib` 0.20.6 (library). They are copied to `target/upstream`, unchanged. What changes is
what they are linked with: `miden-processor` and `miden-tx` become the crates beside this script, which
execute, prove and verify on Miden CVM. `miden-utils-testing`, which the tests of the VM use, is not
published; the crate of this name beside this script has its interface.

A test is equal if it passes, as it does where it comes from. Prints a line for each one that does not, and
a line of counts for each suite; fails if there is one of which it is not known why, or one that is known to
differ and does not. With `sample` a few tests of each suite run, always the same ones, which takes seconds
when they are built.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "upstream"
CARGO = os.environ.get("CARGO", "cargo")

# Bounds that the copies need and the published crates do not ask for, as the runs on Miden CVM go
# between threads: file, text, its replacement.
BOUNDS = {
    "miden-testing": [
        (
            "src/executor.rs",
            "impl<H: AsyncHost> CodeExecutor<H>",
            "impl<H: AsyncHost + Send + Sync> CodeExecutor<H>",
        ),
    ],
}

# Tests of Miden's command line, whose program they build.
COMMAND_LINE = "tests/integration/cli"

# What only those and the benchmarks need.
UNUSED = ["assert_cmd", "criterion", "escargot", "predicates", "walkdir"]

# Tests that end otherwise here, and why.
KNOWN = {
    "tests/main.rs sys::log_precompile_request_procedure": "hands its proof to Miden's verifier, which "
    "refuses one of another machine",
}

# What `sample` runs of each suite: everything whose name contains one of these.
SAMPLE = {
    "protocol": ["tx::test_fee::", "tx::test_fpi::", "tx::test_note::", "scripts::swap::"],
    "vm": ["exec::", "flow_control::", "air::chiplets::"],
    "library": ["sys::", "word::", "crypto::keccak256::"],
}

WORKSPACE = """\
[workspace]
resolver = "3"
members = ["*-here"]

"""


def profiles():
    """The profiles of the root's workspace, so that what it has built is used again."""
    manifest = (ROOT / "Cargo.toml").read_text()
    return "".join(re.findall(r"(?ms)^\[profile\.dev.*?(?=^\[)", manifest))


def registry_sources():
    """The folders of the packages in the lock file, by name and version."""
    command = [CARGO, "metadata", "--format-version", "1"]
    listed = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True)
    packages = json.loads(listed.stdout)["packages"]
    return {(p["name"], p["version"]): Path(p["manifest_path"]).parent for p in packages}


def copy(source, name):
    """Copies the sources of a package, and names it so."""
    to = WORK / name
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(source, to, ignore=shutil.ignore_patterns("Cargo.lock", "benches", "target"))
    manifest = to / "Cargo.toml"
    text = re.sub(r'(?m)^name = "[^"]*"', f'name = "{name}"', manifest.read_text(), count=1)
    tables = [r"\[\[bench\]\]", *(rf"\[dev-dependencies\.{unused}\]" for unused in UNUSED)]
    text = re.sub(rf"(?ms)^(?:{'|'.join(tables)})\n.*?(?=^\[|\Z)", "", text)
    manifest.write_text(text)
    return to


def link(package, dependency, crate, features=()):
    """Has a package depend on a crate beside this script, in the place of a published one."""
    manifest = package / "Cargo.toml"
    path = HERE / crate
    features = ", ".join(f'"{feature}"' for feature in features)
    lines = f'package = "miden-cvm-upstream-{crate}"\npath = "{path}"\nfeatures = [{features}]\n\n'
    pattern = rf"(?ms)^(\[(?:dev-)?dependencies\.{dependency}\]\n).*?(?=^\[|\Z)"
    text, count = re.subn(pattern, lambda found: found.group(1) + lines, manifest.read_text())
    if count == 0:
        text += f"\n[dev-dependencies.{dependency}]\n{lines}"
    manifest.write_text(text)


def widen(package, name):
    for file, before, after in BOUNDS[name]:
        path = package / file
        text = path.read_text()
        if text.count(before) != 1:
            sys.exit(f"{path} does not have `{before}` once")
        path.write_text(text.replace(before, after))


def run(package, arguments, filters):
    """Runs the tests of a package; their results by name."""
    command = [CARGO, "test", "--no-fail-fast", "-p", package, *arguments, "--", *filters]
    environment = {"CARGO_TARGET_DIR": str(ROOT / "target"), **os.environ, "CARGO_TERM_COLOR": "never"}
    log = WORK / f"{package}.log"
    results, binary = {}, ""
    with log.open("w", buffering=1) as lines:
        process = subprocess.Popen(
            command,
            cwd=WORK,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout:
            lines.write(line)
            if found := re.match(r"\s+Running (?:unittests )?(\S+)", line):
                binary = found.group(1)
            elif found := re.match(r"test (.+?) \.\.\. (ok|FAILED|ignored)", line):
                results[f"{binary} {found.group(1)}"] = found.group(2)
        process.wait()
    if not results:
        sys.exit(f"no test of {package} ran: see {log}")
    print(f"{package}: see {log}")
    return results


def protocol(sources):
    package = copy(sources["miden-testing", "0.13.3"], "miden-testing-here")
    link(package, "miden-processor", "processor")
    link(package, "miden-tx", "tx", ["std", "testing"])
    widen(package, "miden-testing")
    return package.name, ["--features", "std", "--lib", "--tests"]


def vm(sources):
    package = copy(sources["miden-vm", "0.20.6"], "miden-vm-here")
    shutil.rmtree(package / COMMAND_LINE)
    main = package / "tests/integration/main.rs"
    main.write_text(main.read_text().replace("mod cli;\n", ""))
    manifest = package / "Cargo.toml"
    manifest.write_text(re.sub(r"(?ms)^\[\[bin\]\]\n.*?(?=^\[|\Z)", "", manifest.read_text()))
    link(package, "miden-processor", "processor")
    link(package, "miden-utils-testing", "testing")
    return package.name, ["--tests"]


def library(sources):
    package = copy(sources["miden-core-lib", "0.20.6"], "miden-core-lib-here")
    link(package, "miden-utils-testing", "testing")
    return package.name, ["--tests"]


def tell(name, results):
    """Prints what a suite's results are; returns how many of them were not to be expected."""
    failed = {test for test, result in results.items() if result == "FAILED"}
    ran = len(results) - list(results.values()).count("ignored")
    for test in sorted(failed):
        print(f"different: {test}: {KNOWN.get(test, 'not known why')}")
    equal = {test for test, result in results.items() if result == "ok"}
    for test in sorted(equal & set(KNOWN)):
        print(f"equal: {test}, which is said to differ: {KNOWN[test]}")
    print(f"{name}: {ran} run, {ran - len(failed)} equal, {len(failed)} different", flush=True)
    return len(failed - set(KNOWN)) + len(equal & set(KNOWN))


SUITES = {"protocol": protocol, "vm": vm, "library": library}


def main():
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, filters = arguments[:split], arguments[split + 1 :]
    is_sample = "sample" in names
    names = [name for name in names if name != "sample"] or list(SUITES)
    if unknown := set(names) - set(SUITES):
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}\n\n{__doc__}")
    sources = registry_sources()
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "Cargo.toml").write_text(WORKSPACE + profiles())
    shutil.copy(HERE / "Cargo.lock", WORK / "Cargo.lock")
    suites = {name: SUITES[name](sources) for name in names}
    unexpected = 0
    for name, (package, arguments) in suites.items():
        sample = SAMPLE[name] if is_sample else []
        unexpected += tell(name, run(package, arguments, filters + sample))
    if unexpected:
        sys.exit(1)


if __name__ == "__main__":
    main()
