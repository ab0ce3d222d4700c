// A person at a browser: opens the page of the first line of input, logs in and answers as the second
// line says, `grant` or `deny`. The last line of output is JSON: what the browser shows in the end.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [url, answer] = await new Promise((done) => {
  const lines = [];
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => lines.push(line) === 2 && done(lines));
});

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  // The sandbox of Chromium does not run as root.
  args: process.getuid() === 0 ? ['--no-sandbox'] : [],
});
try {
  const page = await browser.newPage();
  // The sample pages of the provider ask for a font of the network.
  await page.route('**/*', (route) =>
    new URL(route.request().url()).hostname === '127.0.0.1' ? route.continue() : route.abort());
  await page.goto(url);
  // Each page has one way on: the code of a device, its confirmation, a login, a consent.
  for (let step = 0; step < 6; step += 1) {
    const isOurs = await page.locator('text=subrosa').count();
    const form = page.locator('form').first();
    if (isOurs || (await page.locator('form').count()) === 0) break;
    if (answer === 'deny' && (await page.locator('a[href$="/abort"]').count())) {
      await page.locator('a[href$="/abort"]').click();
    } else if (answer === 'deny' && (await page.locator('button[name=abort]').count())) {
      await page.locator('button[name=abort]').click();
    } else if (await page.locator('input[name=login]').count()) {
      await page.fill('input[name=login]', 'somebody');
      await page.fill('input[name=password]', 'anything');
      await page.locator('button[type=submit]').first().click();
    } else {
      await page.locator('button[type=submit]').first().click();
    }
    await page.waitForLoadState('load');
  }
  const shown = { title: await page.title(), text: await page.innerText('body') };
  console.log(JSON.stringify({ ...shown, path: new URL(page.url()).pathname }));
} finally {
  await browser.close();
}
process.exit(0);
