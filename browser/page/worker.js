// Loads one of the two packages, and calls its functions away from the page, which stays responsive.

const packages = { verifier: "../pkg/verifier/", prover: "../pkg/prover/" };

let loaded;

async function load(name) {
  const bindings = await import(`${packages[name]}miden_cvm_browser.js`);
  const begun = performance.now();
  const { memory } = await bindings.default();
  return { bindings, memory, milliseconds: performance.now() - begun };
}

// What JavaScript cannot send between threads becomes an object of the same values.
function plain(value, names) {
  if (names === undefined) return value;
  return Object.fromEntries(names.map((name) => [name, value[name]]));
}

onmessage = async ({ data: { id, name, call, parameters, results } }) => {
  try {
    loaded ??= load(name);
    const { bindings, memory, milliseconds } = await loaded;
    const begun = performance.now();
    const value = plain(bindings[call](...parameters), results);
    const took = performance.now() - begun;
    // Memory only grows.
    postMessage({ id, value, took, load: milliseconds, memory: memory.buffer.byteLength });
  } catch (error) {
    postMessage({ id, error: String(error.message ?? error) });
  }
};
