// Calls of a package in a worker of its own.

const verified = ["settings", "provenBits", "conjecturedBits", "programHash", "composition", "precompiles"];

export class Cvm {
  #worker;
  #name;
  #calls = new Map();

  constructor(name) {
    this.#name = name;
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      if (data.error === undefined) resolve(data);
      else reject(new Error(data.error));
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#calls.values()) reject(new Error(event.message));
      this.#calls.clear();
    };
  }

  #call(call, parameters, results) {
    const id = crypto.randomUUID();
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name: this.#name, call, parameters, results });
    });
  }

  verify(statement, proof, security) {
    return this.#call("verify", [statement, proof, security], verified);
  }

  proveProgram(source, operands, set) {
    return this.#call("proveProgram", [source, operands, set], ["statement", "proof"]);
  }

  proveTransaction(inputs) {
    return this.#call("proveTransaction", [inputs]);
  }

  verifyTransaction(transaction) {
    return this.#call("verifyTransaction", [transaction], verified);
  }

  close() {
    this.#worker.terminate();
  }
}
