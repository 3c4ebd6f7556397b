// A Kondo gate in JavaScript, and the adapter by which kondo-ref audits it:
//
//   kondo-ref audit "node examples/audit/kondo.mjs" --surface logits --framework subprocess
//
// Upper part: the implementation, which knows nothing of the audit. Lower part: the adapter, one
// JSON object a line in, one out; see kondo_ref/audit/protocol.py.
import { createInterface } from "node:readline";

// The zero-price gate: a decision is kept where its delight, advantage times surprisal, is positive.
function kondoLoss(logits, actions, advantages, mask) {
  if (![...logits.flat(), ...advantages].every(Number.isFinite)) {
    throw new RangeError("logits or advantages are not finite");
  }
  const valid = mask ?? actions.map(() => true);
  const count = valid.filter(Boolean).length;
  let loss = 0;
  const dlogits = logits.map((row, i) => {
    const top = Math.max(...row);
    const total = row.reduce((sum, z) => sum + Math.exp(z - top), 0);
    const surprisal = top + Math.log(total) - row[actions[i]];
    const kept = valid[i] && advantages[i] * surprisal > 0;
    const c = kept ? advantages[i] / count : 0;
    loss += c * surprisal;
    return row.map((z, k) => c * (Math.exp(z - top) / total - (k === actions[i] ? 1 : 0)));
  });
  return { loss, dlogits };
}

// JSON has no NaN and no infinities; the protocol writes them as words.
const words = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const number = (x) => (typeof x === "string" ? words[x] : x);
const decode = (x) => (Array.isArray(x) ? x.map(decode) : number(x));

function answer(message) {
  if (message.type === "hello") {
    return { protocol: 1, takes: ["mask"], versions: { node: process.versions.node } };
  }
  const { logits, actions, advantages, mask } = message;
  try {
    const found = kondoLoss(decode(logits), actions, decode(advantages), mask);
    return { id: message.id, ...found };
  } catch (error) {
    return { id: message.id, error: `${error.name}: ${error.message}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
}
