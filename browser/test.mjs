#!/usr/bin/env node
// Opens the page in a headless Chromium, has it verify and prove, and prints what that took.
//
//     browser/test.mjs
//
// `browser/build` makes the packages that the page loads. A native proof of `fib` is made by the command
// line, which also verifies what the browser has proven: `MIDEN_CVM` is its path, or else it is taken from
// `target/debug`. `CHROMIUM` is the browser, or else `chromium`.

import { execFileSync, spawn } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const cvm = process.env.MIDEN_CVM ?? join(root, "target/debug/miden-cvm");
const chromium = process.env.CHROMIUM ?? "chromium";
const timeout = 20 * 60 * 1000;

const folder = mkdtempSync(join(tmpdir(), "miden-cvm-browser-"));
const native = join(folder, "native");
mkdirSync(native);
const fib = join(root, "examples/fib/fib.masm");
const cli = (...parameters) => execFileSync(cvm, parameters, { stdio: ["ignore", "ignore", "inherit"] });
cli("prove", fib, "--input", join(root, "examples/fib/fib.inputs"), "--proof", join(native, "proof"),
  "--statement", join(native, "statement.json"));

// What the server answers with, by the beginning of the path.
const served = [
  ["/page/", join(here, "page/")],
  ["/pkg/", join(here, "pkg/")],
  ["/native/", `${native}/`],
  ["/transactions/", join(root, "miden/tests/suite/fixtures/")],
  ["/fib.masm", fib],
];
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

function file(path) {
  const found = served.find(([prefix]) => path.startsWith(prefix));
  return found && found[1] + path.slice(found[0].length);
}

function listen(resolve, reject) {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    if (request.method === "POST" && path === "/results") {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        response.end();
        resolve(JSON.parse(Buffer.concat(chunks)));
      });
      return;
    }
    const found = file(path);
    if (!found || !existsSync(found)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": types[extname(found)] ?? "application/octet-stream" });
    createReadStream(found).pipe(response);
  });
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const page = `http://127.0.0.1:${server.address().port}/page/measure.html`;
    const options = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${join(folder, "profile")}`];
    const browser = spawn(chromium, [...options, page], { stdio: "ignore", detached: true });
    browser.on("error", reject);
    setTimeout(() => reject(new Error("the page has not answered in time")), timeout).unref();
    process.on("exit", () => {
      try {
        process.kill(-browser.pid);
      } catch {
        // It has ended.
      }
    });
  });
}

const { rows, files, error } = await new Promise(listen);
for (const { what, calls, took, load, memory, refused } of rows) {
  if (refused !== undefined) {
    console.log(`${what}: refused: ${refused.split("\n")[0]}`);
    continue;
  }
  const each = calls > 1 ? `, mean of ${calls}` : "";
  console.log(
    `${what}: ${(took / 1000).toFixed(3)} s${each}, memory ${(memory / 2 ** 20).toFixed(1)} MiB, ` +
      `loaded in ${load.toFixed(0)} ms`,
  );
}
if (error !== undefined) {
  console.error(`the page failed: ${error}`);
  process.exit(1);
}
for (const [name, content] of Object.entries(files)) {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : Uint8Array.from(content));
  console.log(`${name}: ${content.length} bytes`);
}
for (const [set, security] of [["Proven100", "100"], ["Regular96", "conjectured:96"]]) {
  cli("verify", "--proof", join(folder, `fib-${set}.proof`), "--statement",
    join(folder, `fib-${set}.statement.json`), "--security", security);
  console.log(`fib of the browser, ${set}: verified by the command line`);
}
rmSync(folder, { recursive: true, force: true });
console.log(`${rows.length} passed, 0 failed`);
process.exit(0);
