import { Cvm } from "./cvm.js";

const bytes = async (file) => new Uint8Array(await file.arrayBuffer());

// Has a form print what its handler says.
function handle(id, action) {
  const form = document.getElementById(id);
  const output = form.querySelector("output");
  form.onsubmit = async (event) => {
    event.preventDefault();
    output.textContent = "…";
    try {
      output.textContent = await action(new FormData(form));
    } catch (error) {
      output.textContent = error.message;
    }
  };
}

function costs({ took, memory }) {
  return `${(took / 1000).toFixed(3)} s, memory of ${(memory / 2 ** 20).toFixed(1)} MiB`;
}

const verifier = new Cvm("verifier");
let prover;

handle("verify", async (form) => {
  const statement = await form.get("statement").text();
  const proof = await bytes(form.get("proof"));
  const answer = await verifier.verify(statement, proof, form.get("security"));
  return `verified in ${costs(answer)}\n${JSON.stringify(answer.value, null, 2)}`;
});

handle("program", async (form) => {
  prover ??= new Cvm("prover");
  const operands = BigUint64Array.from(form.get("operands").split(/[\s,]+/).filter(Boolean).map(BigInt));
  const answer = await prover.proveProgram(form.get("source"), operands);
  const { statement, proof } = answer.value;
  return `proven in ${costs(answer)}, ${proof.length} bytes\n${statement}`;
});

handle("transaction", async (form) => {
  prover ??= new Cvm("prover");
  const answer = await prover.proveTransaction(await bytes(form.get("inputs")));
  const { value } = await prover.verifyTransaction(answer.value);
  return `proven in ${costs(answer)}, ${answer.value.length} bytes\n${JSON.stringify(value, null, 2)}`;
});
