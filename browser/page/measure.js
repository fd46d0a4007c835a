// Verifies and proves without anybody's doing, and sends what came of it to the server of this page.

import { Cvm } from "./cvm.js";

const fetched = async (path) => {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};
const text = async (path) => new TextDecoder().decode(await fetched(path));

const rows = [];
const files = {};

async function row(what, calls, answer) {
  const { took, load, memory } = await answer;
  rows.push({ what, calls, took, load, memory });
}

// Asserts that something is refused.
async function refused(what, answer) {
  try {
    await answer;
  } catch (error) {
    rows.push({ what, refused: error.message });
    return;
  }
  throw new Error(`${what}: not refused`);
}

async function repeated(what, calls, action) {
  let took = 0;
  let last;
  for (let index = 0; index < calls; index += 1) {
    last = await action();
    took += last.took;
  }
  await row(what, calls, { ...last, took: took / calls });
  return last;
}

async function measure() {
  const verifier = new Cvm("verifier");
  const statement = await text("/native/statement.json");
  const proof = await fetched("/native/proof");
  const { value } = await repeated("verify fib", 10, () => verifier.verify(statement, proof));
  if (value.provenBits < 100) throw new Error(`only ${value.provenBits} bits`);
  const altered = proof.slice();
  altered[altered.length >> 1] ^= 1;
  await refused("altered proof", verifier.verify(statement, altered));
  const other = JSON.stringify({ ...JSON.parse(statement), stack_inputs: [89] });
  await refused("other statement", verifier.verify(other, proof));
  await refused("more security", verifier.verify(statement, proof, "128"));
  verifier.close();

  const source = await text("/fib.masm");
  for (const set of ["Proven100", "Regular96"]) {
    const prover = new Cvm("prover");
    const proven = await prover.proveProgram(source, BigUint64Array.of(90n), set);
    await row(`prove fib, ${set}`, 1, proven);
    files[`fib-${set}.statement.json`] = proven.value.statement;
    files[`fib-${set}.proof`] = Array.from(proven.value.proof);
    const security = set === "Regular96" ? "conjectured:96" : undefined;
    await prover.verify(proven.value.statement, proven.value.proof, security);
    prover.close();
  }

  for (const name of ["consume1_ecdsa", "consume1"]) {
    const prover = new Cvm("prover");
    const proven = await prover.proveTransaction(await fetched(`/transactions/${name}.inputs`));
    await row(`prove ${name}`, 1, proven);
    files[`${name}.transaction`] = Array.from(proven.value);
    await repeated(`verify ${name}`, 10, () => prover.verifyTransaction(proven.value));
    const altered = proven.value.slice();
    altered[altered.length >> 1] ^= 1;
    await refused(`altered ${name}`, prover.verifyTransaction(altered));
    prover.close();
  }
}

let error;
try {
  await measure();
} catch (failure) {
  error = failure.message;
}
await fetch("/results", { method: "POST", body: JSON.stringify({ rows, files, error }) });
