// A service with API keys, used in Chromium: by its own page, by its description, and from other origins.
//
//     BROWSER=/usr/bin/chromium node keys.mjs URL ROUTE KEY ALLOWED_PORT
//
// Pages of http://127.0.0.1:ALLOWED_PORT may call the service, and no others. Stands beside node_modules.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const [url, route, key, allowed] = process.argv.slice(2);
const executablePath = process.env.BROWSER;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

async function typeKey() {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  const typed = page.locator("#key");
  await typed.waitFor();
  assert.equal(await page.locator("#examples button").count(), 0); // nothing of the model is shown
  await typed.fill("wrong");
  await page.click("#access button");
  await page.waitForLoadState("networkidle");
  await typed.waitFor(); // and again
  await typed.fill(key);
  await page.click("#access button");
  const example = page.locator("#examples button").first();
  await example.waitFor();
  assert.ok(await page.locator("#access").isHidden());
  for (const picture of await page.locator("#examples img").all()) {
    assert.ok(await picture.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
  }
  const answer = page.waitForResponse(`**${route}`);
  await example.click();
  assert.equal((await answer).status(), 200);
  const command = await page.locator("#shell").textContent();
  assert.match(command, / -H "Authorization: Bearer \$API_KEY"/);
  assert.ok(!(await page.content()).includes(key));
  await page.reload(); // the tab remembers
  await example.waitFor();
}

async function authorize() {
  const page = await (await browser.newContext()).newPage();
  await page.goto(new URL("docs", url).href);
  const block = page.locator(".opblock", { hasText: "/model" }).first();
  const ask = async () => {
    const answer = page.waitForResponse("**/model");
    await block.locator(".execute").click();
    return (await answer).status();
  };
  await block.locator(".opblock-summary-control").click();
  await block.locator(".try-out__btn").click();
  assert.equal(await ask(), 401);
  await page.locator(".btn.authorize").first().click();
  await page.locator(".auth-container input").first().fill(key);
  await page.locator(".auth-btn-wrapper .authorize").first().click();
  await page.locator(".btn-done").first().click();
  assert.equal(await ask(), 200);
}

// What a page of `port` reads of the service.
async function readFrom(port) {
  const server = createServer((_request, response) => response.end("<title>Another</title>"));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const read = ([address, headers, method]) =>
    fetch(address, { method, headers, body: method === "POST" ? "{" : undefined })
      .then(async (response) => [response.status, response.headers.get("X-Request-Id") !== null])
      .catch((error) => error.name);
  const model = new URL("model", url).href;
  const found = [
    await page.evaluate(read, [model, { "X-API-Key": key }, "GET"]),
    await page.evaluate(read, [model, { Authorization: `Bearer ${key}` }, "GET"]),
    await page.evaluate(read, [model, { Authorization: "Bearer wrong" }, "GET"]),
    await page.evaluate(read, [new URL(route, url).href, { "X-API-Key": key, "Content-Type": "application/json" }, "POST"]),
  ];
  await page.close();
  server.close();
  return found;
}

try {
  await typeKey();
  await authorize();
  assert.deepEqual(await readFrom(Number(allowed)), [[200, true], [200, true], [401, true], [400, true]]);
  assert.deepEqual(await readFrom(0), ["TypeError", "TypeError", "TypeError", "TypeError"]);
} finally {
  await browser.close();
}
