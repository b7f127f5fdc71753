// Traces made by the program, pages made of them, and Chromium to open them in.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const folder = mkdtempSync(join(tmpdir(), "pellucid-web-"));

export function pellucid(...args) {
  return execFileSync(process.env.PELLUCID_BINARY, args.map(String), { stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
}

/** The records of a run with the default model, and its logits as rows. */
export function recorded(name, ...more) {
  const [trace, logits] = [join(folder, `${name}.jsonl`), join(folder, `${name}.f32`)];
  pellucid("generate", "Once upon a time", "-n", 24, "--seed", 3, "--ignore-eos", "--trace", trace, "--trace-logits", logits, ...more);
  const records = recordsIn(trace);
  const bytes = readFileSync(logits);
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const row = (step) => all.subarray(step.logits_row * records[0].model.n_vocab, (step.logits_row + 1) * records[0].model.n_vocab);
  return { path: trace, records, row };
}

export function recordsIn(path) {
  return readFileSync(path, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
}

export function stepsOf(records, branch = 0) {
  return records.filter((one) => one.record === "step" && one.branch === branch);
}

let pages = 0;

/** The address of the page of some records. */
export function plotted(records) {
  const [trace, html] = [join(folder, `page-${++pages}.jsonl`), join(folder, `page-${pages}.html`)];
  writeFileSync(trace, records.map((one) => `${JSON.stringify(one)}\n`).join(""));
  pellucid("plot", trace, "-o", html);
  return pathToFileURL(html).href;
}

export async function launch() {
  const executablePath = execFileSync("sh", ["-c", "command -v chromium"]).toString().trim();
  return chromium.launch({ executablePath });
}

/** Opens a page; what it asks for or complains of is in `seen`. */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const seen = { requests: [], complaints: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.complaints.push(error.message));
  page.on("console", (message) => seen.complaints.push(message.text()));
  page.on("dialog", (dialog) => { seen.complaints.push(dialog.message()); dialog.dismiss(); });
  await page.goto(address);
  return { page, seen };
}

/** All tokens as the page has them. */
export function tokensOn(page) {
  return page.$$eval(".token", (all) => all.map((one) => ({
    text: one.textContent, title: one.title, classes: [...one.classList],
    level: Number(one.className.match(/level-(\d)/)[1]), colour: getComputedStyle(one).backgroundColor,
  })));
}

/** The candidates that the side panel shows: [id, shown, whether it is the chosen one, the two columns]. */
export function candidatesOn(page) {
  return page.$$eval("#candidates tbody tr", (rows) => rows.map((row) => ({
    id: Number(row.dataset.id), piece: row.querySelector(".piece").textContent, chosen: row.classList.contains("chosen"),
    raw: row.cells[2].textContent, final: row.cells[3].textContent,
    bars: [...row.querySelectorAll(".bar")].map((bar) => parseFloat(bar.style.width)),
  })));
}

export function cleanUp() {
  rmSync(folder, { recursive: true, force: true });
}
