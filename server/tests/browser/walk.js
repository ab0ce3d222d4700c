// Walks through all pages that links lead to, as somebody who was given a link to come in, and judges each.
//
//     echo '{"link": "http://127.0.0.1:4711/welcome?token=…"}' | node walk.js
//
// The last line of output is JSON: the pages that were seen, and what is wrong with them. With a folder in
// SUBROSA_SCREENS, pictures of them go there: wide, narrow and dark. What is clicked through stands in flows/.
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { judge } from './judge.js';
import { take } from './screens.js';

const PAGES_MAX = 200;
const WIDE = { width: 1280, height: 800 };

const { link } = await new Promise((done) => {
  createInterface({ input: process.stdin }).once('line', (line) => done(JSON.parse(line)));
});
const site = new URL(link).origin;
const problems = [];
const seen = [];

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  // The sandbox of Chromium does not run as root.
  args: process.getuid() === 0 ? ['--no-sandbox'] : [],
});

/** A page that tells whatever goes wrong in it. */
async function watched(context, tell) {
  const page = await context.newPage();
  page.on('console', (message) => {
    // Statuses are looked at below.
    const isStatus = message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !isStatus) tell(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => tell(`script: ${error.message}`));
  page.on('requestfailed', (request) => {
    // Live output is let go of when a page is left.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') tell(`${request.url()} failed: ${errorText}`);
  });
  page.on('response', (response) => {
    const isOurs = response.url().startsWith(site);
    if (!isOurs) tell(`${response.url()} is another site`);
    if (response.status() >= 400 && response.request().resourceType() !== 'document') {
      tell(`${response.url()} answered ${response.status()}`);
    }
  });
  return page;
}

/** Where the links of a page lead, here. */
async function links(page) {
  const hrefs = await page.$$eval('a[href]', (all) => all.map((one) => one.href));
  const ours = hrefs.map((href) => new URL(href)).filter((url) => url.origin === site);
  return ours.map((url) => url.pathname + url.search);
}

/** Goes to a page and judges it; what it links to. */
async function visit(context, target, expected, name = target) {
  const tell = (what) => problems.push(`${target}: ${what}`);
  const page = await watched(context, tell);
  await page.setViewportSize(WIDE);
  // Live output never ends, so nothing waits for silence.
  const response = await page.goto(site + target, { waitUntil: 'load' });
  const status = response.status();
  const kind = response.headers()['content-type'] ?? '';
  if (status !== expected) tell(`answered ${status}`);
  let found = [];
  if (kind.startsWith('text/html')) {
    found = await links(page);
    await judge(page, tell);
    // The first page leads to another one, which is pictured by itself.
    if (new URL(page.url()).pathname === target.split('?')[0]) await take(page, name);
    seen.push(target);
  }
  await page.close();
  return found;
}

/** Everything that can be reached from the first page. */
async function walk(context) {
  const known = new Set(['/']);
  const waiting = ['/'];
  while (waiting.length > 0 && known.size <= PAGES_MAX) {
    const target = waiting.shift();
    for (const next of await visit(context, target, 200)) {
      if (!known.has(next)) {
        known.add(next);
        waiting.push(next);
      }
    }
  }
  if (known.size > PAGES_MAX) problems.push(`more than ${PAGES_MAX} pages: links lead to ever new ones`);
}

/** The same without script: each page says what it is, and what it is about. */
async function walkWithoutScript(state) {
  const context = await browser.newContext({ javaScriptEnabled: false, storageState: state });
  const page = await context.newPage();
  for (const target of seen.filter((one) => !one.startsWith('/welcome'))) {
    await page.goto(site + target);
    const said = await page.locator('main').innerText();
    if (said.trim().length < 10) problems.push(`${target}: says nothing without script`);
  }
  await context.close();
}

/** Clicks through what stands in flows/, each with a session of its own that is as good as new. */
async function flow(state) {
  const folder = new URL('flows/', import.meta.url);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js')).sort()) {
    const { run } = await import(new URL(file, folder));
    const context = await browser.newContext({ storageState: state, viewport: WIDE });
    const tell = (what) => problems.push(`flows/${file}: ${what}`);
    const page = await watched(context, tell);
    page.setDefaultTimeout(15_000);
    try {
      await run({ page, site, tell });
    } catch (error) {
      tell(`at ${new URL(page.url()).pathname}: ${error.message}`);
    }
    await context.close();
  }
}

try {
  const stranger = await browser.newContext();
  await visit(stranger, '/login', 200);
  const context = await browser.newContext();
  const page = await watched(context, (what) => problems.push(`/welcome: ${what}`));
  await page.goto(link);
  if (new URL(page.url()).pathname === '/login') problems.push('/welcome: the link lets nobody in');
  await page.close();
  const state = await context.storageState();
  await walk(context);
  await visit(context, '/nothing-of-that-name', 404, 'not-found');
  await visit(context, `/welcome?token=${'x'.repeat(43)}`, 410, 'link-used');
  await walkWithoutScript(state);
  await flow(state);
} catch (error) {
  problems.push(`the walk ended: ${error.stack}`);
} finally {
  await browser.close();
}
console.log(JSON.stringify({ seen, problems }));
process.exit(0);
