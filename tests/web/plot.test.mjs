// The page of `pellucid plot` in Chromium: what it shows is what the trace holds, whatever that is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { candidatesOn, cleanUp, launch, open, pellucid, plotted, recorded, recordsIn, stepsOf, tokensOn } from "./support.mjs";

let browser;
let run;
let address;

before(async () => {
  browser = await launch();
  run = recorded("run", "--temperature", "1.1");
  address = plotted(run.records);
});

after(async () => {
  await browser?.close();
  cleanUp();
});

const steps = () => stepsOf(run.records);
const copy = (value) => structuredClone(value);

/** "12.3 %" and "2.0e-4 %" as a share. */
const share = (text) => Number(text.replace(" %", "")) / 100;

function assertNear(shown, wanted, what) {
  assert.ok(Math.abs(shown - wanted) <= 0.0006 + 0.05 * wanted * (wanted < 1e-3), `${what}: ${shown}, not ${wanted}`);
}

/** Softmax of a row of logits: the probability of one token. */
function softmax(row, id) {
  const best = row.reduce((a, b) => Math.max(a, b));
  return Math.exp(row[id] - best) / row.reduce((sum, logit) => sum + Math.exp(logit - best), 0);
}

for (const colorScheme of ["light", "dark"]) {
  test(`a page asks for nothing and complains of nothing, ${colorScheme}`, async () => {
    const { page, seen } = await open(browser, address, { colorScheme });
    await page.click(".token >> nth=5");
    await page.hover(".u-over >> nth=1");
    await page.emulateMedia({ colorScheme: colorScheme === "light" ? "dark" : "light" });
    await page.setViewportSize({ width: 900, height: 700 });
    await page.waitForTimeout(100);
    assert.deepEqual(seen.requests, [address]);
    assert.deepEqual(seen.complaints, []);
    await page.context().close();
  });

  test(`every tint can be read, ${colorScheme}`, async () => {
    const { page } = await open(browser, address, { colorScheme });
    const contrasts = await page.evaluate(() => {
      const rgb = (text) => text.match(/[\d.]+/g).map(Number);
      const luminance = ([r, g, b]) => [r, g, b]
        .map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const card = luminance(rgb(getComputedStyle(document.getElementById("reading")).backgroundColor));
      const ink = luminance(rgb(getComputedStyle(document.body).color));
      const quiet = luminance(rgb(getComputedStyle(document.querySelector(".hint")).color));
      const tints = [...document.querySelectorAll("#legend i")].slice(1).map((one) => luminance(rgb(getComputedStyle(one).backgroundColor)));
      return { ink: [card, ...tints].map((tint) => contrast(ink, tint)), quiet: contrast(quiet, card), tints: tints.map((tint) => contrast(tint, card)) };
    });
    assert.ok(Math.min(...contrasts.ink, contrasts.quiet) >= 4.5, JSON.stringify(contrasts));
    assert.deepEqual(contrasts.tints, contrasts.tints.toSorted((a, b) => a - b));
    await page.context().close();
  });
}

test("the page is small and says which trace it is of", async () => {
  const html = readFileSync(fileURLToPath(address), "utf8");
  const data = html.match(/<script type="application\/json" id="trace">(.*?)<\/script>/s)[1];
  assert.ok(html.length - data.length < 200_000);
  const { page } = await open(browser, address);
  const facts = await page.textContent("#facts");
  for (const word of ["SmolLM2-135M-Instruct.Q4_1.gguf", "seed3", "temperature=1.1, top_k=50, top_p=0.95", "length"]) {
    assert.ok(facts.includes(word), `${word} in ${facts}`);
  }
  assert.equal(await page.title(), "pellucid: Once upon a time");
  await page.context().close();
});

test("the text is the trace's, and tints follow what they show", async () => {
  const { page } = await open(browser, address);
  const shown = await tokensOn(page);
  assert.deepEqual(shown.map((one) => one.text), steps().map((step) => step.piece));
  assert.equal(await page.textContent("#text"), "Once upon a time" + steps().map((step) => step.piece).join(""));
  const wanted = {
    probability: (step) => -softmax(run.row(step), step.token),
    drawn: (step) => -step.draw.probability,
    surprise: (step) => -Math.log2(softmax(run.row(step), step.token)),
    entropy: (step) => {
      const all = [...run.row(step)].map((_, id) => id);
      const best = run.row(step).reduce((a, b) => Math.max(a, b));
      const sum = run.row(step).reduce((total, logit) => total + Math.exp(logit - best), 0);
      return all.reduce((bits, id) => {
        const p = Math.exp(run.row(step)[id] - best) / sum;
        return p > 0 ? bits - p * Math.log2(p) : bits;
      }, 0);
    },
  };
  for (const [measure, of] of Object.entries(wanted)) {
    await page.check(`input[value=${measure}]`, { force: true });
    const tinted = (await tokensOn(page)).map((one, i) => ({ ...one, value: of(steps()[i]) }));
    tinted.sort((a, b) => a.value - b.value);
    const levels = tinted.map((one) => one.level);
    assert.deepEqual(levels, levels.toSorted((a, b) => a - b), measure);
    assert.ok(new Set(levels).size > 2, measure);
    assert.equal(new Set(tinted.map((one) => one.colour)).size, new Set(levels).size, measure);
    for (const one of tinted) {
      const title = one.title.replace(/^.*? (?=[\d.e-]+ [%b])/, "");
      if (title.endsWith("%")) assertNear(share(title), -one.value, measure);
      else assert.ok(Math.abs(parseFloat(title) - one.value) < 0.006, `${measure}: ${title}, not ${one.value}`);
    }
  }
  await page.context().close();
});

test("arrow keys lead to each token, and the panel shows its candidates, stages and draw", async () => {
  const { page } = await open(browser, address);
  await page.focus("#text");
  for (const step of steps()) {
    const shown = await candidatesOn(page);
    const among = step.candidates.some((one) => one.id === step.token);
    assert.deepEqual(shown.map((one) => one.id), [...step.candidates.map((one) => one.id), ...(among ? [] : [step.token])]);
    for (const one of shown) {
      const raw = softmax(run.row(step), one.id);
      assert.equal(one.chosen, one.id === step.token);
      assertNear(share(one.raw), raw, "to the model");
      assert.ok(Math.abs(one.bars[0] / 100 - raw) < 1e-4);
      const candidate = step.candidates.find((each) => each.id === one.id);
      if (!candidate) continue;
      assert.equal(JSON.parse(one.piece), candidate.piece);
      if (candidate.removed_by) assert.equal(one.final, candidate.removed_by);
      else assertNear(share(one.final), candidate.probability, "drawn from");
    }
    const stages = await page.$$eval("#stages tbody tr", (rows) => rows.map((row) => [row.dataset.stage, row.cells[2].textContent]));
    assert.deepEqual(stages, step.stages.map((stage) => [stage.name, stage.kept.toLocaleString("en")]));
    const line = await page.getAttribute("#details .line", "aria-label");
    assert.equal(line, `u = ${step.draw.u} in [${step.draw.low}, ${step.draw.high})`);
    const mark = await page.$eval("#details .line b", (one) => parseFloat(one.style.left));
    assert.ok(Math.abs(mark / 100 - step.draw.u) < 1e-4);
    assert.equal(await page.getAttribute("#text", "aria-activedescendant"), `step-${step.step}`);
    await page.keyboard.press("ArrowRight");
  }
  assert.equal(await page.$$eval('[aria-selected="true"]', (all) => all.length), 1);
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.getAttribute('[aria-selected="true"]', "data-step"), "0");
  await page.setViewportSize({ width: 420, height: 900 });
  await page.keyboard.press("ArrowDown");
  const below = Number(await page.getAttribute('[aria-selected="true"]', "data-step"));
  const places = await page.$$eval("#text [data-step]", (all) => all.map((one) => {
    const { top, left } = one.getClientRects()[0];
    return { step: Number(one.dataset.step), top, left };
  }));
  const [from, first] = [below, 0].map((step) => places.find((one) => one.step === step));
  assert.ok(from.top > first.top && below > 0);
  const firstLine = places.filter((one) => one.top === first.top);
  const nearest = firstLine.reduce((a, b) => (Math.abs(a.left - from.left) < Math.abs(b.left - from.left) ? a : b));
  await page.keyboard.press("ArrowUp");
  assert.equal(await page.getAttribute('[aria-selected="true"]', "data-step"), String(nearest.step));
  await page.context().close();
});

test("a click on a token or on a chart selects the step, and the address keeps it", async () => {
  const { page } = await open(browser, address);
  await page.click("#step-7");
  assert.match(await page.textContent("#details h2"), /step 7 · id/);
  const box = await page.locator(".u-over").first().boundingBox();
  await page.mouse.click(box.x + (box.width * 12) / 23, box.y + box.height / 2);
  assert.match(await page.textContent("#details h2"), /step 12 · id/);
  await page.click('button[aria-label="next token"]');
  assert.match(page.url(), /#branch=0&step=13$/);
  const { page: again } = await open(browser, page.url());
  assert.match(await again.textContent("#details h2"), /step 13 · id/);
  await page.context().close();
  await again.context().close();
});

test("the charts hold the trace's values on one axis", async () => {
  const { page } = await open(browser, address);
  const data = await page.evaluate(() => charts.map((chart) => chart.series.map((one, i) => [one.label, [...chart.data[i]]])));
  const all = Object.fromEntries(data.flat());
  const near = (label, of) => steps().forEach((step, i) =>
    assert.ok(Math.abs(all[label][i] - of(step)) < 1e-9 * Math.max(1, of(step)), `${label} of step ${i}`));
  near("to the model", (step) => softmax(run.row(step), step.token));
  near("as drawn", (step) => step.draw.probability);
  near("surprise", (step) => -Math.log2(softmax(run.row(step), step.token)));
  near("after top_k", () => 50);
  near("after top_p", (step) => step.stages.find((stage) => stage.name === "top_p").kept);
  steps().forEach((step, i) => {
    assert.equal(all["entropy of the model"][i], step.prediction.entropy_bits);
    assert.equal(all["entropy drawn from"][i], step.final_entropy_bits);
  });
  assert.equal(data.length, 3);
  for (const chart of data) assert.deepEqual(chart[0], ["step", steps().map((_, i) => i)]);
  const box = await page.locator(".u-over").first().boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
  await page.mouse.up();
  const zoomed = await page.evaluate(() => charts.map((chart) => [chart.scales.x.min, chart.scales.x.max]));
  assert.ok(zoomed.every(([low, high]) => low > 4 && high < 19 && low === zoomed[0][0]), JSON.stringify(zoomed));
  await page.context().close();
});

test("what a trace says is shown and never done", async () => {
  const nasty = [
    "<img src=x onerror=\"window.done=1\">", "</script><script>window.done=1</script>", "<!--<script>", "\n\n",
    "\u202egnirts", "&lt;b&gt;", "\u0000\u001b[31m", "{{trace}}", "';window.done=1;'", "</span><b id=owned>", "$& $1 ${1}",
  ];
  const edited = copy(run.records);
  edited[0].prompt.text = nasty[1];
  edited[0].model.path = `/models/${nasty[0]}.gguf`.replaceAll("/models/", "");
  edited[0].pellucid = nasty[9];
  edited[0].machine.simd = nasty[0];
  edited.at(-1).finish_reason = nasty[0];
  nasty.forEach((piece, i) => {
    edited[i + 1].piece = piece;
    edited[i + 1].stages[0].name = piece;
    edited[i + 1].candidates[0].piece = piece;
    edited[i + 1].candidates[5].removed_by = piece;
  });
  const { page, seen } = await open(browser, plotted(edited), { colorScheme: "dark" });
  assert.equal(await page.textContent("#text"), nasty[1] + stepsOf(edited).map((step) => step.piece).join(""));
  await page.focus("#text");
  for (const piece of nasty) {
    const shown = (await candidatesOn(page))[0].piece;
    assert.ok(!/[\p{Cc}\p{Cf}]/u.test(shown), shown);
    assert.equal(JSON.parse(shown.replace(/\\u\{([0-9a-f]{4})\}/g, "\\u$1")), piece);
    await page.keyboard.press("ArrowRight");
  }
  assert.equal(await page.evaluate(() => window.done), undefined);
  assert.equal(await page.$$eval("img, #owned, main script, header script", (all) => all.length), 0);
  assert.deepEqual(seen.complaints, []);
  assert.equal(seen.requests.length, 1);
  await page.context().close();
});

test("characters of several tokens are whole, and bytes that are none are shown as such", async () => {
  const edited = copy(run.records);
  const give = (i, bytes) => Object.assign(edited[i + 1], { piece: "\ufffd", piece_bytes: bytes });
  give(3, [0xf0, 0x9f]);
  give(4, [0x99]);
  give(5, [0x82, 0x21]);
  give(8, [0xff]);
  Object.assign(edited[4].candidates[0], { piece: "\ufffd", piece_bytes: [0xf0, 0x9f] });
  const { page } = await open(browser, plotted(edited));
  const shown = await tokensOn(page);
  assert.deepEqual(shown.slice(3, 6).map((one) => one.text), ["", "", "🙂!"]);
  assert.deepEqual(shown.slice(3, 6).map((one) => one.classes.includes("part")), [true, true, false]);
  assert.equal(shown[8].text, "\ufffd");
  await page.click("#step-3");
  assert.match(await page.textContent("#details h2"), /^"\\xf0\\x9f"/);
  assert.equal((await candidatesOn(page))[0].piece, '"\\xf0\\x9f"');
  await page.context().close();
});

test("a trace without a step, and with one", async () => {
  const [header, step, ...rest] = run.records;
  const end = rest.at(-1);
  for (const few of [[header], [header, { ...end, n_tokens: 0 }], [header, step], [header, step, { ...end, n_tokens: 1 }]]) {
    const { page, seen } = await open(browser, plotted(few));
    assert.equal((await page.$$(".token")).length, few.includes(step) ? 1 : 0);
    assert.equal((await page.$$(".chart")).length, few.includes(step) ? 3 : 0);
    await page.focus("#text");
    await page.keyboard.press("ArrowRight");
    assert.ok((await page.textContent("#facts")).includes(few.includes(end) || few.length > 2 || few[1]?.record === "end" ? "length" : "stopped before its end"));
    assert.deepEqual(seen.complaints, []);
    await page.context().close();
  }
});

test("a trace from before predictions were recorded", async () => {
  const older = copy(run.records);
  for (const step of stepsOf(older)) {
    delete step.prediction;
    delete step.final_entropy_bits;
  }
  const { page, seen } = await open(browser, plotted(older));
  assert.match(await page.textContent("#missing"), /^These steps were recorded without the model's own probabilities/);
  assert.deepEqual(await page.$$eval("#measures input", (all) => all.filter((one) => !one.disabled).map((one) => [one.value, one.checked])), [["drawn", true]]);
  assert.equal(await page.evaluate(() => charts.length), 2);
  await page.click("#step-4");
  const shown = await candidatesOn(page);
  steps()[4].candidates.forEach((one, i) => assert.ok(Math.abs(Number(shown[i].raw) - one.logit) < 0.006));
  assert.deepEqual(seen.complaints, []);
  await page.context().close();
});

test("two thousand steps open at once", async () => {
  const [header, ...rest] = run.records;
  const many = Array.from({ length: 2000 }, (_, i) => ({ ...steps()[i % 24], step: i }));
  const long = plotted([header, ...many, { ...rest.at(-1), n_tokens: 2000 }]);
  const timed = async (where, last) => {
    const start = performance.now();
    const opened = await open(browser, where);
    await opened.page.waitForSelector(`#step-${last}`);
    return { ...opened, took: performance.now() - start };
  };
  // Beside a page of 24 steps, so that a slow machine does not matter: eighty times the steps, five times as long at most.
  const short = await timed(address, 23);
  await short.page.context().close();
  const { page, seen, took } = await timed(long, 1999);
  assert.ok(took < 5 * short.took + 1000, `${took} ms, and ${short.took} ms with 24 steps`);
  await page.focus("#text");
  await page.keyboard.press("End");
  assert.match(await page.textContent("#details h2"), /step 1999 · id/);
  assert.ok(await page.$eval("#step-1999", (one) => one.getBoundingClientRect().bottom < innerHeight));
  assert.deepEqual(seen.complaints, []);
  await page.context().close();
});

test("a tree of runs in one file: any of them is shown", async () => {
  const tree = recorded("tree");
  pellucid("branch", tree.path, "--at", 7, "--take", " queen", "-n", 6);
  pellucid("branch", tree.path, "--at", 4, "--set", "temperature=0.5", "--seed", 5, "-n", 7);
  pellucid("branch", tree.path, "--branch", 1, "--at", 9, "--take", "rank:2", "-n", 4);
  pellucid("branch", tree.path, "--branch", 3, "--at", 5, "--seed", 6, "-n", 5); // leaves an ancestor's part
  const records = recordsIn(tree.path);
  const { page, seen } = await open(browser, plotted(records));
  const piecesOf = (branch, upTo) => stepsOf(records, branch).filter((step) => step.step < upTo).map((step) => step.piece);
  const whole = {
    0: piecesOf(0, 99),
    1: [...piecesOf(0, 7), ...piecesOf(1, 99)],
    2: [...piecesOf(0, 4), ...piecesOf(2, 99)],
    3: [...piecesOf(0, 7), ...piecesOf(1, 9), ...piecesOf(3, 99)],
    4: [...piecesOf(0, 5), ...piecesOf(4, 99)],
  };
  for (const [branch, pieces] of Object.entries(whole)) {
    await page.selectOption("#branch", branch);
    assert.deepEqual((await tokensOn(page)).map((one) => one.text), pieces, `branch ${branch}`);
  }
  await page.selectOption("#branch", "0");
  const marked = (await tokensOn(page)).map((one, i) => (one.classes.includes("fork") ? i : -1)).filter((i) => i >= 0);
  assert.deepEqual(marked, [4, 5, 7]);
  await page.click("#step-7");
  await page.click("#details .links button");
  assert.equal(await page.inputValue("#branch"), "1");
  assert.match(await page.textContent("#details h2"), /^" queen"step 7 · id \d+ · taken · branch 1$/);
  assert.match(await page.textContent("#facts"), /seed3/);
  const names = await page.$$eval("#branch option", (all) => all.map((one) => one.textContent));
  assert.match(names[1], /^1: from step 7, took " queen", 6 steps$/);
  assert.match(names[2], /^2: from step 4, temperature=0.5, seed=5, 7 steps$/);
  assert.deepEqual(seen.complaints, []);
  await page.context().close();
});

test("narrow windows scroll one way only", async () => {
  for (const width of [360, 700, 1100]) {
    const { page } = await open(browser, address, { viewport: { width, height: 800 } });
    const [inner, all] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    assert.ok(all <= inner, `${all} in ${width}`);
    await page.context().close();
  }
});

test("whoever cannot see the page is told what is where", async () => {
  const { page } = await open(browser, address);
  const unnamed = await page.$$eval("button, select, input, [role=img], [role=listbox], aside, section", (all) =>
    all.filter((one) => !(one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim() || one.textContent.trim())).map((one) => one.outerHTML));
  assert.deepEqual(unnamed, []);
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await page.keyboard.press("Tab");
  const reached = [];
  for (let i = 0; i < 4; ++i) {
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.name));
    await page.keyboard.press("Tab");
  }
  assert.deepEqual(reached.slice(0, 2), ["measure", "text"]);
  await page.context().close();
});
