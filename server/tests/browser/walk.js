// Walks through all pages that links lead to, as somebody who was given a link to come in, and judges each.
//
//     echo '{"link": "http://127.0.0.1:4711/welcome?token=…"}' | node walk.js
//
// The last line of output is JSON: the pages that were seen, and what is wrong with them. With a folder in
// SUBROSA_SCREENS, pictures of them go there: wide, narrow and dark. With names in SUBROSA_FLOWS, these flows are
// all that is done. What people do stands in flows/.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { PASSWORD, VALUES, signsIn } from './hands.js';
import { judge } from './judge.js';
import { take } from './screens.js';

const PAGES_MAX = 200;
const WIDE = { width: 1280, height: 800 };
/** What is clicked through, in this order: the last ones look at what the others did, and leave. */
const FLOWS = [
  'password', 'keyboard', 'secrets', 'environments', 'connections', 'workflows', 'people', 'settings',
  'without-script', 'audit', 'sign-out',
];
const chosen = process.env.SUBROSA_FLOWS?.split(' ');

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

/** Which of what was typed comes back in an answer; of what never ends, the page is looked at. */
function listens(page, tell) {
  const pending = [];
  page.on('response', (response) => {
    const kind = response.headers()['content-type'] ?? '';
    if (!response.url().startsWith(site) || kind.startsWith('text/event-stream')) return;
    // A redirect has no body, and one of a page that was left is gone.
    const body = response.text().catch(() => '');
    pending.push(body.then((text) => told(text, response.url(), tell)));
  });
  return async () => {
    await Promise.all(pending);
    told(await page.content(), page.url(), tell);
  };
}

function told(text, url, tell) {
  for (const value of Object.values(VALUES)) {
    for (const form of [value, Buffer.from(value).toString('base64')]) {
      if (text.includes(form)) tell(`${url} shows a value that was typed`);
    }
  }
}

/** A service that knows one user. */
async function startService() {
  const good = `Basic ${Buffer.from(`somebody:${VALUES.right}`).toString('base64')}`;
  const service = createServer((request, response) => {
    response.writeHead(request.headers.authorization === good ? 200 : 401).end('{}');
  });
  await new Promise((done) => service.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${service.address().port}` };
}

/** Clicks through what stands in flows/, one after the other: the first one with the session of the link, each
 * other one as somebody who signs in with the password that was chosen there. */
async function flow(state) {
  const service = await startService();
  for (const name of FLOWS.filter((name) => name === FLOWS[0] || !chosen || chosen.includes(name))) {
    const { run, options } = await import(new URL(`flows/${name}.js`, import.meta.url));
    const tell = (what) => problems.push(`flows/${name}.js: ${what}`);
    const contexts = [];
    const checks = [];
    const opens = async (more) => {
      const context = await browser.newContext({ viewport: WIDE, ...more });
      contexts.push(context);
      const page = await watched(context, tell);
      page.setDefaultTimeout(15_000);
      checks.push(listens(page, tell));
      return page;
    };
    const page = await opens(name === FLOWS[0] ? { storageState: state } : options);
    try {
      if (name !== FLOWS[0]) await signsIn(page, site, 'admin', PASSWORD);
      await run({ page, site, tell, service, stranger: () => opens() });
      for (const check of checks) await check();
    } catch (error) {
      tell(`at ${page.url().slice(site.length)}: ${error.message}`);
    }
    for (const context of contexts) await context.close();
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
  if (!chosen) {
    await walk(context);
    await visit(context, '/nothing-of-that-name', 404, 'not-found');
    await visit(context, `/welcome?token=${'x'.repeat(43)}`, 410, 'link-used');
    await walkWithoutScript(state);
  }
  // Pictures are of a place where nobody has done anything yet.
  if (!process.env.SUBROSA_SCREENS) await flow(state);
} catch (error) {
  problems.push(`the walk ended: ${error.stack}`);
} finally {
  await browser.close();
}
console.log(JSON.stringify({ seen, problems }));
process.exit(0);
