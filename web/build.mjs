// Builds legged_gym/deploy/web_template.html: one file with everything but a policy in it.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "legged_gym", "deploy", "web_template.html");

async function bundle(entry) {
  const result = await build({
    entryPoints: [join(here, "src", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    platform: "browser",
    // MuJoCo's loader asks where it lies; inside a page it lies nowhere, and its binary is handed to it.
    define: { "import.meta.url": '"file:///page"' },
    external: ["module", "node:module", "fs", "path", "url", "worker_threads"],
    logLevel: "error",
  });
  // A page ends its script where it reads this.
  return result.outputFiles[0].text.replaceAll("</script", "<\\/script");
}

function packageFile(name, file) {
  return join(here, "node_modules", name, file);
}

const wasm = gzipSync(readFileSync(packageFile("@mujoco/mujoco", "mujoco.wasm")), { level: 9 }).toString("base64");
const version = (name) => JSON.parse(readFileSync(packageFile(name, "package.json"))).version;
const threeLicence = readFileSync(packageFile("three", "LICENSE"), "utf8");
const licences = [
  `MuJoCo ${version("@mujoco/mujoco")}, Copyright DeepMind Technologies Limited. Licensed under the Apache License, Version 2.0: ` +
    "https://www.apache.org/licenses/LICENSE-2.0",
  `three ${version("three")}\n${threeLicence}`,
].join("\n\n");

let page = readFileSync(join(here, "src", "page.html"), "utf8");
for (const [place, text] of [
  ["@@LICENCES@@", licences],
  ["@@WASM@@", wasm],
  ["@@WORKER@@", await bundle("worker.js")],
  ["@@MAIN@@", await bundle("main.js")],
]) {
  page = page.replace(place, () => text);
}
writeFileSync(target, page);
console.log(`${target}: ${(page.length / 1e6).toFixed(1)} MB`);
