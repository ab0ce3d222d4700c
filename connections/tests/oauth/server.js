// A person at a browser who uses the pages of a server of ours. Input is one line of JSON: `base`, the
// `cookie` of a session as a browser shows it, the `name` of a connection, and what they answer at the
// service, `grant` or `deny`. The last line of output is JSON: what the browser shows in the end, and every
// address that it was at.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const { base, cookie, name, answer } = await new Promise((done) => {
  createInterface({ input: process.stdin }).once('line', (line) => done(JSON.parse(line)));
});

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  // The sandbox of Chromium does not run as root.
  args: process.getuid() === 0 ? ['--no-sandbox'] : [],
});
try {
  const context = await browser.newContext();
  const [key, value] = cookie.split('=');
  await context.addCookies([{ name: key, value, url: base, httpOnly: true, sameSite: 'Lax' }]);
  const page = await context.newPage();
  const seen = [];
  page.on('framenavigated', (frame) => seen.push(frame.url()));
  // The sample pages of the provider ask for a font of the network.
  await page.route('**/*', (route) =>
    new URL(route.request().url()).hostname === '127.0.0.1' ? route.continue() : route.abort());
  await page.goto(`${base}/connections/${name}`);
  await page.getByRole('button', { name: 'Authorize', exact: true }).click();
  // From our page, the browser goes on by itself.
  await page.waitForURL((url) => url.origin !== base);
  for (let step = 0; step < 6 && new URL(page.url()).origin !== base; step += 1) {
    await page.waitForLoadState('load');
    if (answer === 'deny' && (await page.locator('a[href$="/abort"]').count())) {
      await page.locator('a[href$="/abort"]').click();
    } else {
      if (await page.locator('input[name=login]').count()) {
        await page.fill('input[name=login]', 'somebody');
        await page.fill('input[name=password]', 'anything');
      }
      await page.locator('button[type=submit]').first().click();
    }
    await page.waitForLoadState('load');
  }
  await page.waitForURL((url) => url.origin === base && url.pathname.startsWith('/grants/'));
  const shown = { title: await page.title(), text: await page.innerText('main'), url: page.url() };
  await page.getByRole('link', { name: 'To the connection' }).click();
  const state = await page.locator('.badge').first().innerText();
  console.log(JSON.stringify({ ...shown, state, seen }));
} finally {
  await browser.close();
}
process.exit(0);
