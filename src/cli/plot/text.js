// The text as prose, a token an option of a listbox, tinted by a measure.
const textBox = document.getElementById("text");
let tokens = []; // the elements of the steps shown

function tokenElement(step, text, position) {
  const classes = ["token"];
  if (step.near_tie) classes.push("near-tie");
  if (step.taken) classes.push("taken");
  if (trace.end_ids.includes(step.token)) classes.push("special");
  if (text.includes("\n")) classes.push("break");
  if (text === "") classes.push("part");
  if (leaving.has(step)) classes.push("fork");
  const made = element("span", {
    role: "option", id: `step-${position}`, "aria-selected": "false", "data-step": position,
    "aria-label": text === "" ? quoted(step) : undefined,
  }, text);
  made.className = classes.join(" ");
  return made;
}

function showText(path) {
  const texts = textsOf(path);
  tokens = path.map((step, position) => tokenElement(step, texts[position], position));
  textBox.replaceChildren(element("span", { class: "prompt", role: "presentation" }, promptOf(state.branch).text), ...tokens);
  const marks = document.getElementById("marks");
  const shown = [
    path.some((step) => step.near_tie) && element("span", {}, element("span", { class: "near-tie" }, "near tie")),
    path.some((step) => step.taken) && element("span", {}, element("span", { class: "taken" }, "taken, not drawn")),
    tokens.some((token) => token.classList.contains("fork")) && element("span", {}, "◆ another branch leaves here"),
  ];
  marks.replaceChildren(...shown.filter(Boolean));
}

function colourText(path, measure) {
  path.forEach((step, position) => {
    const token = tokens[position];
    const value = measure.of(step);
    token.className = token.className.replace(/ ?level-\d/, "") + ` level-${levelOf(measure, value)}`;
    token.title = `${measure.name.toLowerCase()} ${measure.text(value)}`;
  });
}

function showLegend(measure) {
  const levels = [0, ...measure.limits].map((limit, level) => {
    const label = level === 0 ? "" : measure.text(limit).replace(/ bits$/, "");
    return element("span", {}, label, element("i", { class: `level-${level}` }));
  });
  const falling = measure.limits[0] > measure.limits[1];
  levels[0].prepend(falling ? "below" : "bits ≥");
  const legend = document.getElementById("legend");
  legend.replaceChildren(...levels);
  legend.title = measure.about;
}

/** Puts the mark on one token and takes it from the others. */
function markToken(position, scroll) {
  textBox.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
  const token = tokens[position];
  token.setAttribute("aria-selected", "true");
  textBox.setAttribute("aria-activedescendant", token.id);
  if (scroll) token.scrollIntoView({ block: "nearest" });
}

/** The token above or below another, as they lie on the screen. */
function tokenBeside(position, direction) {
  const from = tokens[position].getClientRects()[0] ?? tokens[position].getBoundingClientRect();
  let found = position;
  let line;
  for (let i = position + direction; i >= 0 && i < tokens.length; i += direction) {
    const place = tokens[i].getClientRects()[0] ?? tokens[i].getBoundingClientRect();
    if (Math.abs(place.top - from.top) < from.height / 2) continue;
    line ??= place.top;
    if (Math.abs(place.top - line) > from.height / 2) break;
    const nearer = Math.abs(place.left - from.left) < Math.abs(tokens[found].getClientRects()[0].left - from.left);
    if (found === position || nearer) found = i;
  }
  return found;
}

/** Where a key leads from a token; undefined for keys that move nothing. */
function positionAfter(key, position) {
  const last = tokens.length - 1;
  const to = {
    ArrowRight: () => position + 1, ArrowLeft: () => position - 1,
    ArrowDown: () => tokenBeside(position, 1), ArrowUp: () => tokenBeside(position, -1),
    Home: () => 0, End: () => last,
  }[key];
  return to && Math.min(Math.max(to(), 0), last);
}
