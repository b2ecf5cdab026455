// SPDX-License-Identifier: Apache-2.0
// Reads a JSON list of Kubernetes objects from stdin and prints what the types of Kubernetes and of the Prometheus
// Operator have against each. argv[2] is the directory with their node_modules.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/`);

function model({ apiVersion: given, kind }) {
  // AKS has the Operator's monitors under a group of its own.
  const apiVersion = given.replace("azmonitoring.", "monitoring.");
  const packages = apiVersion.includes("monitoring.coreos.com")
    ? "@kubernetes-models/prometheus-operator"
    : "kubernetes-models";
  return require(`${packages}/${apiVersion}/${kind}`)[kind];
}

let wrong = 0;
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new (model(object))({ ...object, apiVersion: object.apiVersion.replace("azmonitoring.", "monitoring.") }).validate();
  } catch (error) {
    wrong += 1;
    console.log(`${object.kind} ${object.metadata?.name}: ${error.message}`);
  }
}
process.exit(wrong ? 1 : 0);
