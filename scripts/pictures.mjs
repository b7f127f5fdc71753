// Makes docs/plot.png: a page of `pellucid plot`, of a run of the default model, as Chromium shows it.
// usage: PELLUCID_BINARY=... node scripts/pictures.mjs
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = mkdtempSync(join(tmpdir(), "pellucid-pictures-"));
const [trace, html] = [join(folder, "run.jsonl"), join(folder, "run.html")];
const pellucid = (...args) => execFileSync(process.env.PELLUCID_BINARY, args, { stdio: ["ignore", "ignore", "inherit"] });

pellucid("generate", "Once upon a time", "-n", "64", "--seed", "3", "--trace", trace);
pellucid("branch", trace, "--at", "7", "--take", " queen", "-n", "32");
pellucid("plot", trace, "-o", html);
const executablePath = execFileSync("sh", ["-c", "command -v chromium"]).toString().trim();
const browser = await chromium.launch({ executablePath });
const page = await browser.newPage({ viewport: { width: 1240, height: 1160 }, colorScheme: "light" });
await page.goto(`${pathToFileURL(html).href}#branch=0&step=7`);
await page.screenshot({ path: fileURLToPath(new URL("../docs/plot.png", import.meta.url)), fullPage: true });
await browser.close();
rmSync(folder, { recursive: true });
