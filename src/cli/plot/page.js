// What is shown: a branch of the trace, a measure, a step.
const state = { branch: 0, measure: "probability", step: 0, path: [] };

function branchName(branch) {
  const steps = `${branch.steps.length} ${branch.steps.length === 1 ? "step" : "steps"}`;
  if (branch.branch === 0) return `main text, ${steps}`;
  if (branch.prompt) return `${branch.branch}: another answer, ${steps}`;
  const changes = branch.changes.slice(0, 3);
  if (branch.take.length > 0) {
    const taken = branch.steps.slice(0, branch.take.length).map((step) => step.piece).join("");
    changes.unshift(`took ${quoted({ piece: taken.slice(0, 24) })}`);
  }
  return [`${branch.branch}: from step ${branch.at}`, ...changes, steps].join(", ");
}

function showFacts() {
  const branch = trace.branches[state.branch];
  const { end } = branch;
  const rows = [
    ["model", trace.model.path.split("/").pop()],
    ["seed", branch.seed],
    ["settings", branch.settings_text],
    ["tokens", `${grouped(promptOf(state.branch).tokens.length)} + ${grouped(state.path.length)}`],
    ["end", end ? end.finish_reason : "stopped before its end"],
    ["by", `pellucid ${trace.pellucid}, ${trace.machine.simd}, ${trace.machine.threads} threads`],
  ];
  document.getElementById("facts").replaceChildren(...rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function showMeasure() {
  const measure = measures[state.measure];
  colourText(state.path, measure);
  showLegend(measure);
}

function showStep(position, { scroll = true } = {}) {
  if (position < 0 || position >= state.path.length) return;
  state.step = position;
  markToken(position, scroll);
  showDetails(state.path, position, { onStep: showStep, onBranch: showBranch });
  markCharts(position);
  history.replaceState(null, "", `#branch=${state.branch}&step=${position}`);
}

function showBranch(id, step) {
  state.branch = id;
  state.path = pathOf(id);
  document.getElementById("branch").value = String(id);
  showFacts();
  showText(state.path);
  showMeasure();
  showCharts(state.path, showStep);
  if (state.path.length === 0) {
    textBox.append(element("span", { class: "note" }, " No step was recorded."));
    detailsBox.replaceChildren(element("p", { class: "note" }, "This text has no tokens of its own."));
    return;
  }
  showStep(Math.min(step ?? trace.branches[id].at, state.path.length - 1), { scroll: step !== undefined });
}

function fillBranches() {
  const select = document.getElementById("branch");
  select.replaceChildren(...trace.branches.map((branch) => element("option", { value: branch.branch }, branchName(branch))));
  document.getElementById("branches").hidden = trace.branches.length === 1;
  select.addEventListener("change", () => showBranch(Number(select.value)));
}

function fillMeasures() {
  const without = (step) => !step.prediction;
  const some = trace.branches.some((branch) => branch.steps.some(without));
  const all = some && trace.branches.every((branch) => branch.steps.every(without));
  if (some) {
    state.measure = "drawn";
    const missing = document.getElementById("missing");
    const steps = all ? "These steps were" : "Some of these steps were";
    missing.textContent = `${steps} recorded without the model's own probabilities, by an early version.`;
    missing.hidden = false;
  }
  for (const [name, measure] of Object.entries(measures)) {
    const input = element("input", { type: "radio", name: "measure", value: name, disabled: all && name !== "drawn" });
    input.checked = name === state.measure;
    input.addEventListener("change", () => { state.measure = name; showMeasure(); });
    document.getElementById("measures").append(element("label", { title: measure.about }, input, measure.name));
  }
}

function listen() {
  textBox.addEventListener("click", (event) => {
    const token = event.target.closest(".token");
    if (token) showStep(Number(token.dataset.step), { scroll: false });
  });
  textBox.addEventListener("keydown", (event) => {
    if (state.path.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const position = positionAfter(event.key, state.step);
    if (position === undefined) return;
    event.preventDefault();
    showStep(position);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    showCharts(state.path, showStep);
    markCharts(state.step);
  });
}

function start() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const branch = Number(asked.get("branch") ?? 0);
  document.title = `pellucid: ${trace.prompt.text.slice(0, 60)}`;
  fillBranches();
  fillMeasures();
  listen();
  const known = Number.isInteger(branch) && branch >= 0 && branch < trace.branches.length;
  const step = Number(asked.get("step"));
  showBranch(known ? branch : 0, asked.has("step") && Number.isInteger(step) && step >= 0 ? step : undefined);
}

start();
