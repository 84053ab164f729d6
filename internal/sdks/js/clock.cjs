// SPDX-License-Identifier: Apache-2.0

// Makes time and chance the same in each run, so that recordings differ only if an SDK does. Runs before anything else, in
// Node and in the browser. Time stands still except when the scenario advances it.
{
  let now = Date.UTC(2026, 10, 24, 9, 30);
  globalThis.advanceClock = (milliseconds) => { now += milliseconds; };
  globalThis.Date = class extends Date {
    constructor(...given) { super(...(given.length ? given : [now])); }
    static now() { return now; }
  };
  const start = now;
  performance.now = () => now - start;

  // A linear congruential generator, whose seed is the name of the case.
  let state = 0;
  globalThis.seedRandom = (name) => { for (const c of name) state = (Math.imul(state, 31) + c.charCodeAt(0)) >>> 0; };
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const fill = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
    return array;
  };
  const uuid = () => {
    const bytes = fill(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  };
  Math.random = random;
  crypto.getRandomValues = fill;
  crypto.randomUUID = uuid;
  if (typeof process !== 'undefined' && process.versions?.node) {
    const node = require('node:crypto');
    node.randomUUID = uuid;
    node.randomFillSync = fill;
    node.randomBytes = (size) => fill(Buffer.alloc(size));
    require('node:module').syncBuiltinESMExports();
  }
}
