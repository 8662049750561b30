// Uses the page of a running service as people do, in Chromium, and fails where it is not as it must be.
//
//     BROWSER=/usr/bin/chromium node page.mjs URL TASK
//
// The working folder has the pictures; commands that the page shows are run there. Stands beside node_modules.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const [url, task] = process.argv.slice(2);
const folder = process.cwd();
const executablePath = process.env.BROWSER;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf-8");
const TOO_LONG = "word ".repeat(5000);
const SERVICE_LIMIT = "20000";
const LOOKS = ["light", "dark"].flatMap((colorScheme) =>
  [1280, 360].map((width) => ({ colorScheme, viewport: { width, height: 800 } })),
);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function open(look = LOOKS[0]) {
  const page = await (await browser.newContext(look)).newPage();
  page.setDefaultTimeout(60000);
  await page.goto(url);
  await page.getByText("Ready", { exact: true }).waitFor();
  await page.locator("#examples button").first().waitFor();
  return page;
}

// Every example of the repository is answered when its button is pressed.
async function useExamples() {
  const page = await open();
  const { examples, title, version } = await (await fetch(new URL("model", url))).json();
  assert.equal(await page.locator("#title").innerText(), title);
  assert.match(await page.locator("#card").innerText(), new RegExp(`version ${version}`));
  const buttons = page.locator("#examples button");
  assert.equal(await buttons.count(), examples.length);
  for (let i = 0; i < examples.length; i++) {
    assert.equal(await buttons.nth(i).getAttribute("title"), examples[i].file);
    const sent = page.waitForResponse(`**${examples[i].route}`);
    await buttons.nth(i).click();
    assert.equal((await sent).status(), 200, examples[i].file);
    await answered(page);
  }
}

const result = (page) => page.locator("#result").innerText();
const answered = (page) => page.locator("#result .quiet", { hasText: " ms" }).waitFor();
const refused = (page) => page.locator("#result .error").waitFor();

function run(command) {
  return execFileSync("sh", ["-c", command], { cwd: folder, encoding: "utf-8" });
}

// Hold back what the page sends to `route` until the function that is returned is called.
async function hold(page, route) {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await page.route(`**/${route}`, async (request) => {
    await held;
    await request.continue();
  });
  return release;
}

async function assertWaiting(page) {
  assert.equal(await page.locator("#result").getAttribute("aria-busy"), "true");
  assert.doesNotMatch(await result(page), / ms/);
}

async function assertForgotten(page) {
  assert.equal(await result(page), "No answer yet.");
  assert.ok(await page.locator("#command").isHidden());
}

const choose = (page, name) => page.setInputFiles("#file", path.join(folder, name));

async function draw(page) {
  await page.locator("#canvas").scrollIntoViewIfNeeded();
  const { x, y } = await page.locator("#canvas").boundingBox();
  await page.mouse.move(x + 40, y + 20);
  await page.mouse.down();
  await page.mouse.move(x + 60, y + 100, { steps: 5 });
  await page.mouse.up();
}

async function useImages() {
  const page = await open();
  const shell = () => page.locator("#shell").textContent();
  const preview = page.locator("#preview");
  const isDrawn = () =>
    page.evaluate(() => {
      const canvas = document.getElementById("canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, i) => i % 4 === 0 && value > 0);
    });
  await assertForgotten(page);

  await choose(page, "bright.png");
  await answered(page);
  assert.equal(await page.locator("#name").innerText(), "bright.png");
  assert.ok(await preview.isVisible());
  assert.equal(JSON.parse(run(await shell())).prediction, (await result(page)).split("\n")[0]);
  const again = page.waitForRequest("**/predict"); // the same file can be tried twice
  await choose(page, "bright.png");
  await again;
  await answered(page);

  const evil = "$(touch ran) `touch ran` it's; \"a\\b\",.png";
  await choose(page, evil);
  await answered(page);
  assert.equal(JSON.parse(run(await shell())).prediction, (await result(page)).split("\n")[0]);
  assert.ok(!existsSync(path.join(folder, "ran")));

  let release = await hold(page, "predict"); // a drawing in place of a file
  await draw(page);
  assert.ok(await preview.isHidden());
  assert.equal(await page.locator("#name").innerText(), "");
  await assertWaiting(page);
  release();
  await answered(page);
  await page.unroute("**/predict");
  assert.equal(JSON.parse(run(await shell())).prediction, (await result(page)).split("\n")[0]);

  release = await hold(page, "predict"); // a file in place of a drawing
  await choose(page, "dark.png");
  assert.ok(!(await isDrawn()));
  await assertWaiting(page);
  await page.click("#clear"); // while the answer is awaited
  await assertForgotten(page);
  release();
  await page.waitForResponse("**/predict");
  await page.unroute("**/predict");
  await assertForgotten(page);
  assert.ok(await preview.isHidden());

  await page.setInputFiles("#file", ["bright.png", "dark.png"].map((name) => path.join(folder, name)));
  await answered(page); // several at once
  const rows = page.locator(".pictures li");
  assert.equal(await rows.count(), 2);
  const together = JSON.parse(run(await shell())).predictions;
  for (const [i, { prediction }] of together.entries()) {
    assert.equal(await rows.nth(i).locator("strong").innerText(), prediction);
  }

  await choose(page, "wrong.png");
  await refused(page);
  assert.ok(await preview.isHidden());
  assert.equal(await page.locator("#name").innerText(), "wrong.png");
  await choose(page, "bright.png");
  await answered(page);
  assert.ok(await preview.isVisible());
}

async function useTexts() {
  const route = task === "text-generation" ? "generate" : "predict";
  const page = await open();
  const send = async (text) => {
    await page.fill("#text", text);
    await page.click("#form button[type=submit]");
  };
  await assertForgotten(page);

  await send("It's a $(touch ran) shout.");
  await answered(page);
  const said = run(await page.locator("#shell").textContent());
  assert.match(said, route === "generate" ? /^data: / : /"prediction"/);
  assert.ok(!existsSync(path.join(folder, "ran")));

  const release = await hold(page, route);
  await send("Another one.");
  await assertWaiting(page);
  release();
  await answered(page);
  await page.unroute(`**/${route}`);

  await send(TOO_LONG); // the service's own limit is what counts
  await refused(page);
  assert.match(await result(page), new RegExp(`${TOO_LONG.length}.*${SERVICE_LIMIT}`));
  if (route === "generate") {
    await page.fill("#temperature", "0.33");
    const asked = page.waitForRequest("**/generate");
    await send("Say hello.");
    assert.equal((await asked).postDataJSON().temperature, 0.33);
    await answered(page);
  }
}

async function chat() {
  const page = await open();
  const send = async (text) => {
    const asked = page.waitForRequest("**/v1/chat/completions");
    await page.fill("#text", text);
    await page.click("#form button[type=submit]");
    await answered(page);
    return (await asked).postDataJSON();
  };
  await page.check("input[value=chat]");
  await page.fill("#max_new_tokens", "300");
  const first = await send("Say hello.");
  assert.deepEqual(first.messages, [{ role: "user", content: "Say hello." }]);
  assert.equal(first.max_tokens, 300);
  const said = await page.locator(".turn.assistant").innerText();
  assert.ok(said);
  const second = await send("And again."); // with what was said before
  assert.deepEqual(second.messages.map(({ role }) => role), ["user", "assistant", "user"]);
  assert.equal(second.messages[1].content.trim(), said.trim());
  assert.equal(await page.locator(".turn").count(), 4);
  await page.click("#clear");
  await assertForgotten(page);
  assert.equal((await send("Say hello.")).messages.length, 1);
}

async function markEntities() {
  const page = await open();
  await page.fill("#text", "Ada Lovelace left Turin.");
  await page.click("#form button[type=submit]");
  await answered(page);
  const grounds = (selector) =>
    page.locator(selector).evaluateAll((found) => found.map((each) => getComputedStyle(each).backgroundColor));
  const marks = new Set(await grounds("mark"));
  assert.ok(marks.size > 0);
  assert.deepEqual(new Set(await grounds(".legend li")), marks); // the legend has their colours
}

async function look(at) {
  const page = await open(at);
  if (task === "image-classification") {
    await choose(page, "bright.png");
  } else {
    await page.fill("#text", "Ada Lovelace left Turin.");
    await page.click("#form button[type=submit]");
  }
  await answered(page);
  await page.click("#command summary");
  await page.click("#copy");
  assert.equal(await page.locator("#copy").innerText(), "Copied");
  const texts = await page.evaluate(() => [
    getSelection().toString(),
    document.getElementById("shell").textContent,
  ]);
  assert.equal(texts[0].trim(), texts[1]);
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `${widths[0]} px are wider than ${widths[1]}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run()");
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`);
  assert.deepEqual(found, [], `${at.colorScheme}, ${at.viewport.width} px`);
  if (process.env.SHOTS) {
    const name = `${task}-${at.colorScheme}-${at.viewport.width}.png`;
    await page.screenshot({ path: path.join(process.env.SHOTS, name), fullPage: true });
  }
}

async function readDocs() {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ colorScheme });
    const title = await page.title();
    await page.goto(new URL("docs", url).href);
    await page.locator(".info .title").waitFor();
    await page.waitForFunction((name) => document.title === `${name}: API`, title);
    const ground = await page.evaluate(
      () => getComputedStyle(document.documentElement).backgroundColor,
    );
    const isDark = ground === "rgb(28, 32, 34)"; // #1c2022, Swagger UI's own
    assert.equal(isDark, colorScheme === "dark", ground);
    if (process.env.SHOTS) {
      const name = `docs-${task}-${colorScheme}.png`;
      await page.screenshot({ path: path.join(process.env.SHOTS, name) });
    }
  }
}

// "Execute" with nothing changed, on every route that is listed.
async function execute() {
  const page = await open();
  await page.goto(new URL("docs", url).href);
  await page.locator(".opblock").first().waitFor();
  for (const block of await page.locator(".opblock").all()) {
    await block.locator(".opblock-summary-control").click();
    await block.locator(".try-out__btn").click();
    const name = await block.locator(".opblock-summary-path").innerText();
    await block.locator(".execute").click();
    const status = block.locator(".live-responses-table .response-col_status").last();
    assert.match(await status.innerText(), /^200/, name);
    await block.locator(".opblock-summary-control").click();
  }
}

try {
  await (task === "image-classification" ? useImages() : useTexts());
  if (task === "text-generation") await chat();
  if (task === "token-classification") await markEntities();
  await useExamples();
  for (const at of LOOKS) await look(at);
  await readDocs();
  await execute();
} finally {
  await browser.close();
}
