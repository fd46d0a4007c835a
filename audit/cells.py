#!/usr/bin/env python3
"""Asks cvc5 whether cells have one value, where the rules of the AIR's solver say so, and whether constraints follow
from others that are said to.

    pip install cvc5-gpl
    cargo run -p miden-cvm-audit --bin air-report -- questions > questions.json
    audit/cells.py questions.json [seconds for each question]

A question about a cell has two solutions that agree in what is given and differ in the cell. If there is none, the
cell has one value. One about a constraint has a row on which the others hold, and it does not.
"""

import json
import sys
import time
from collections import Counter

import cvc5
from cvc5 import Kind


class Field:
    """A solver with terms over the field."""

    def __init__(self, modulus, seconds):
        self.solver = cvc5.Solver()
        self.solver.setLogic("QF_FF")
        self.solver.setOption("tlimit-per", str(1000 * seconds))
        self.sort = self.solver.mkFiniteFieldSort(modulus)
        self.cells = {}

    def constant(self, value):
        return self.solver.mkFiniteFieldElem(value, self.sort)

    def cell(self, name):
        if name not in self.cells:
            self.cells[name] = self.solver.mkConst(self.sort, name)
        return self.cells[name]

    def sum(self, terms, rename):
        parts = []
        for coefficient, factors in terms:
            factors = [self.cell(rename(name)) for name in factors]
            if coefficient != "1" or not factors:
                factors.insert(0, self.constant(coefficient))
            product = factors[0] if len(factors) == 1 else self.solver.mkTerm(Kind.FINITE_FIELD_MULT, *factors)
            parts.append(product)
        return parts[0] if len(parts) == 1 else self.solver.mkTerm(Kind.FINITE_FIELD_ADD, *parts)

    def require(self, terms, rename, zero):
        kind = Kind.EQUAL if zero else Kind.DISTINCT
        self.solver.assertFormula(self.solver.mkTerm(kind, self.sum(terms, rename), self.constant("0")))


def answer(question, modulus, seconds):
    """Returns `yes` if the cell has one value, or the constraint follows, `no` if not, and `unknown`."""
    field = Field(modulus, seconds)
    given = set(question["given"])
    cell = question["cell"]
    for copy in ("", " again") if cell else ("",):
        def rename(name):
            return name if name in given else name + copy

        for terms in question["zero"]:
            field.require(terms, rename, True)
        for terms in question["nonzero"]:
            field.require(terms, rename, False)
    if cell:
        other = field.cell(cell + " again")
        field.solver.assertFormula(field.solver.mkTerm(Kind.DISTINCT, field.cell(cell), other))
    result = field.solver.checkSat()
    if result.isUnsat():
        return "yes"
    return "no" if result.isSat() else "unknown"


def main():
    asked = json.load(open(sys.argv[1]))
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    start, answers = time.process_time(), Counter()
    for question in asked["questions"]:
        found = answer(question, asked["modulus"], seconds)
        answers[found] += 1
        if found != "yes":
            what = ", ".join(filter(None, [question["table"], question["row"], question["cell"], question["rule"]]))
            print(f"{found}: {what}", flush=True)
    print(f"{len(asked['questions'])} questions:", ", ".join(f"{count} {found}" for found, count in answers.most_common()))
    print(f"{asked['left_out']} more are about integers; {time.process_time() - start:.0f} s of processor time")
    return 0 if answers["no"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
