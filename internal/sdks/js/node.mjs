// SPDX-License-Identifier: Apache-2.0

// node.mjs runs the scenario with an SDK in Node, and prints what the SDK was told: node.mjs '{"origin", "bridge", "sdk", "mode"}'.

import run from './scenario.mjs';

// Experiment's client keeps flags in the browser's storage.
globalThis.sessionStorage = { getItem: () => null, setItem: () => {}, removeItem: () => {} };

const options = JSON.parse(process.argv[2]);
const { default: connect } = await import(`./${options.sdk}.mjs`);
console.log(JSON.stringify(await run(connect, options)));
process.exit();
