// The trace that the page was made of (docs/trace.md), and what is computed from its steps.
const trace = JSON.parse(document.getElementById("trace").textContent);

/** All steps of a branch's text, those of its ancestors before it included. */
function pathOf(id) {
  const path = [];
  for (let end = Infinity; ; id = trace.branches[id].parent) {
    const { at, steps } = trace.branches[id];
    if (end > at) path.unshift(...steps.slice(0, end - at));
    end = Math.min(end, at);
    if (id === 0) return path;
  }
}

/** What a branch's text goes on from: an answer in a conversation has a prompt of its own. */
function promptOf(id) {
  for (; id !== 0; id = trace.branches[id].parent) {
    if (trace.branches[id].prompt) return trace.branches[id].prompt;
  }
  return trace.prompt;
}

/** Steps at which branches leave -> those branches. */
const leaving = new Map();
for (const branch of trace.branches.slice(1).filter((one) => !one.prompt)) {
  let owner = trace.branches[branch.parent];
  while (branch.at < owner.at) owner = trace.branches[owner.parent];
  const step = owner.steps[branch.at - owner.at];
  leaving.set(step, [...(leaving.get(step) ?? []), branch]);
}

function bytesOf(holder) {
  return holder.piece_bytes ? Uint8Array.from(holder.piece_bytes) : new TextEncoder().encode(holder.piece);
}

/** What each step adds to the text: a character of several tokens comes with the last of them. */
function textsOf(path) {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const texts = path.map((step) => decoder.decode(bytesOf(step), { stream: true }));
  if (texts.length > 0) texts[texts.length - 1] += decoder.decode();
  return texts;
}

/** The probability of the step's token in what was drawn from; undefined where the trace does not tell. */
function finalProbability(step) {
  if (step.draw.token === step.token) return step.draw.probability;
  return step.candidates.find((one) => one.id === step.token)?.probability;
}

/** Whether the logits of the candidates are the model's own, and how they add up is known: guided ones are not. */
function tellsModel(step) {
  return step.prediction && !step.unconditional;
}

/** In the model's own distribution; undefined in steps that do not tell. */
function rawProbability(step, candidate) {
  return tellsModel(step) ? Math.exp(candidate.logit - step.prediction.log_sum_exp) : undefined;
}

/** What the text can be coloured by. The level of a value is how many of `limits` it has passed. */
const measures = {
  probability: {
    name: "Probability",
    about: "the model's own probability of the token, before any stage",
    of: (step) => step.prediction?.probability,
    limits: [0.75, 0.5, 0.25, 0.1, 0.03, 0.01, 0.001],
    text: percent,
  },
  drawn: {
    name: "As drawn",
    about: "the token's probability in what was drawn from, after every stage",
    of: finalProbability,
    limits: [0.75, 0.5, 0.25, 0.1, 0.03, 0.01, 0.001],
    text: percent,
  },
  surprise: {
    name: "Surprise",
    about: "-log2 of the model's own probability",
    of: (step) => step.prediction?.surprise_bits ?? (step.prediction && Infinity),
    limits: [0.5, 1, 2, 3, 5, 7, 10],
    text: bits,
  },
  entropy: {
    name: "Entropy",
    about: "how open the step was to the model",
    of: (step) => step.prediction?.entropy_bits,
    limits: [0.5, 1, 2, 3, 4, 6, 8],
    text: bits,
  },
};

function levelOf(measure, value) {
  if (value === undefined) return 0;
  const falling = measure.limits[0] > measure.limits[1];
  return measure.limits.filter((limit) => (falling ? value < limit : value >= limit)).length;
}

function percent(p) {
  if (p === undefined) return "–";
  const value = 100 * p;
  if (value === 0 || value >= 0.01) return `${trimmed(value, value >= 10 ? 1 : 2)} %`;
  return `${value.toExponential(1)} %`;
}

function bits(value) {
  if (value === undefined) return "–";
  return Number.isFinite(value) ? `${trimmed(value, 2)} bits` : "∞ bits";
}

function trimmed(value, digits) {
  return String(Number(value.toFixed(digits)));
}

function grouped(count) {
  return count.toLocaleString("en");
}

/** A token as one line: what cannot be seen, or would move what stands beside it, is written out. */
function quoted(holder) {
  const named = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\" };
  const hex = (code, digits) => code.toString(16).padStart(digits, "0");
  if (holder.piece_bytes) {
    const shown = [...bytesOf(holder)].map((byte) =>
      byte >= 0x20 && byte < 0x7f ? (named[byte] ?? String.fromCharCode(byte)) : `\\x${hex(byte, 2)}`);
    return `"${shown.join("")}"`;
  }
  const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"\\]/gu;
  const written = (c) => named[c.codePointAt(0)] ?? `\\u{${hex(c.codePointAt(0), 4)}}`;
  return `"${holder.piece.replace(unseen, written)}"`;
}

/** An element with attributes and children; a child that is a string stays text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}
