// One step in full: the token, its candidates, what the stages did, the draw.
const detailsBox = document.getElementById("details");

function piece(holder) {
  return element("span", { class: "piece", title: quoted(holder) }, quoted(holder));
}

function values(rows) {
  const shown = rows.filter((row) => row && row[1] !== undefined && row[1] !== null);
  return element("dl", { class: "values" }, ...shown.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function bar(kind, share) {
  const made = element("span", { class: `bar ${kind}` });
  made.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return made;
}

function summary(step) {
  const { prediction } = step;
  const rank = prediction?.rank;
  return values([
    ["to the model", prediction && `${percent(prediction.probability)}${rank === null ? "" : `, rank ${grouped(rank)}`}`],
    ["as drawn", percent(finalProbability(step))],
    ["surprise", prediction && bits(measures.surprise.of(step))],
    ["entropy of the model", prediction && bits(prediction.entropy_bits)],
    ["entropy drawn from", step.final_entropy_bits === undefined ? undefined : bits(step.final_entropy_bits)],
    ["went back", step.taken_back && `${grouped(step.taken_back)} steps, for ${quoted({ piece: step.banned_phrase })}`],
    ["gap of the two best logits", step.gap === null ? undefined : trimmed(step.gap, 4)],
  ]);
}

function candidateRow(step, one) {
  const raw = rawProbability(step, one);
  const chosen = one.id === step.token;
  const final = one.removed_by ? element("span", { class: "by" }, one.removed_by) : percent(one.probability);
  return element("tr", { class: [chosen && "chosen", one.removed_by && "gone"].filter(Boolean).join(" "), "data-id": one.id },
    element("td", {}, piece(one)),
    element("td", { class: "bars" }, raw === undefined ? undefined : bar("raw", raw), one.removed_by ? undefined : bar("final", one.probability)),
    element("td", {}, raw === undefined ? trimmed(one.logit, 2) : percent(raw)),
    element("td", {}, final));
}

/** The token itself where it is not among the candidates recorded. */
function tokenRow(step) {
  if (step.candidates.some((one) => one.id === step.token)) return [];
  const raw = step.prediction?.probability;
  return [element("tr", { class: "chosen", "data-id": step.token },
    element("td", {}, piece(step)),
    element("td", { class: "bars" }, raw === undefined ? undefined : bar("raw", raw), bar("final", finalProbability(step) ?? 0)),
    element("td", {}, percent(raw)),
    element("td", {}, percent(finalProbability(step))))];
}

function candidateTable(step) {
  const title = element("h3", {}, "Candidates",
    element("small", {}, element("i", { class: "key raw" }), "to the model", element("i", { class: "key final" }), "drawn from"));
  const head = element("tr", {}, ...["token", "", tellsModel(step) ? "model" : "logit", "drawn from"].map((name) => element("th", { scope: "col" }, name)));
  return [title, element("table", { id: "candidates" }, element("thead", {}, head),
    element("tbody", {}, ...step.candidates.map((one) => candidateRow(step, one)), ...tokenRow(step)))];
}

function stageTable(step) {
  const widest = Math.log(Math.max(2, ...step.stages.map((stage) => stage.entered)));
  const rows = step.stages.map((stage) => {
    const what = stage.skipped ? "off" : stage.removed > 0 ? `−${grouped(stage.removed)}` : stage.changed > 0 ? `${grouped(stage.changed)} changed` : "";
    return element("tr", { class: stage.skipped ? "skipped" : "", "data-stage": stage.name },
      element("td", {}, stage.name),
      element("td", { class: "bars" }, bar("count", (Math.log(stage.kept) + 0.15) / (widest + 0.15))),
      element("td", {}, grouped(stage.kept)),
      element("td", {}, what),
      element("td", {}, stage.threshold === null || stage.removed === 0 ? "" : trimmed(stage.threshold, 4)));
  });
  const head = element("tr", {}, ...["stage", "", "kept", "", "cut at"].map((name) => element("th", { scope: "col" }, name)));
  return [element("h3", {}, "Stages"), element("table", { id: "stages" }, element("thead", {}, head), element("tbody", {}, ...rows))];
}

/** The candidates on [0, 1) as far as they are recorded: most likely first, [candidate, low, high]. */
function intervals(step) {
  const left = step.candidates.filter((one) => one.probability > 0).sort((a, b) => b.probability - a.probability || a.id - b.id);
  const found = [];
  let low = 0;
  for (const one of left) {
    if (one.id === step.draw.token && Math.abs(low - step.draw.low) > 1e-6) return []; // others lie between
    found.push([one, low, low + one.probability]);
    low += one.probability;
  }
  return found;
}

function drawLine(step) {
  const { draw } = step;
  const segment = (low, high, chosen, title) => {
    const made = element("i", { class: chosen ? "chosen" : "", title });
    made.style.left = `${low * 100}%`;
    made.style.width = `${(high - low) * 100}%`;
    return made;
  };
  const line = element("div", { class: "line", role: "img", "aria-label": `u = ${draw.u} in [${draw.low}, ${draw.high})` });
  for (const [one, low, high] of intervals(step)) {
    if (one.id !== draw.token) line.append(segment(low, high, false, `${quoted(one)} ${percent(one.probability)}`));
  }
  const mark = element("b");
  mark.style.left = `${draw.u * 100}%`;
  line.append(segment(draw.low, draw.high, true, percent(draw.probability)), mark);
  return line;
}

function drawPart(step) {
  const { draw } = step;
  const other = step.taken && draw.token !== step.token ? `token ${draw.token}, not taken` : undefined;
  return [element("h3", {}, "Draw", element("small", {}, `u against the candidates, most likely first`)), drawLine(step), values([
    ["drawn", other],
    ["u", String(draw.u)],
    ["interval", `[${trimmed(draw.low, 6)}, ${trimmed(draw.high, 6)})`],
    ["rank", `${draw.rank}`],
    ["margin", draw.margin === 1 ? "no other candidate" : `${trimmed(draw.margin, 6)} to the nearest boundary`],
    ["near tie", step.near_tie ? element("span", { class: "warn" }, "yes: a little noise could change it") : undefined],
    ["generator", draw.generator],
    ["key, counter", `${draw.key.join(" ")}, ${draw.counter.join(" ")}`],
  ])];
}

function branchLinks(step, onBranch) {
  const branches = leaving.get(step) ?? [];
  if (branches.length === 0) return [];
  const links = branches.slice(0, 20).map((one) => {
    const link = element("button", { type: "button" }, branchName(one));
    link.addEventListener("click", () => onBranch(one.branch));
    return link;
  });
  return [element("h3", {}, "Branches that leave here"), element("div", { class: "links" }, ...links)];
}

function walkButtons(position, last, onStep) {
  const button = (label, sign, to) => {
    const made = element("button", { type: "button", "aria-label": label, disabled: to < 0 || to > last }, sign);
    made.addEventListener("click", () => onStep(to));
    return made;
  };
  return element("div", { class: "walk" }, button("previous token", "←", position - 1), button("next token", "→", position + 1));
}

function showDetails(path, position, { onStep, onBranch }) {
  const step = path[position];
  const how = [`step ${step.step}`, `id ${step.token}`, step.taken ? "taken" : "drawn"];
  if (trace.branches.length > 1) how.push(`branch ${step.branch}`);
  detailsBox.replaceChildren(
    walkButtons(position, path.length - 1, onStep),
    element("h2", {}, piece(step), element("small", {}, how.join(" · "))),
    summary(step), ...branchLinks(step, onBranch), ...candidateTable(step), ...stageTable(step), ...drawPart(step),
    element("h3", {}, "Record"),
    values([["hash of the logits", element("span", { class: "piece" }, step.logits_hash)], ["time", `${trimmed(step.ms, 2)} ms`]]));
}
