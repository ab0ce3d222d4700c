// What every page is judged by: its outline, its names for people who do not see it, its contrast in light
// and dark, the width of a phone, the keyboard.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { width: 360, height: 740 };
/** Beyond that, the rest of a long list is like its beginning. */
const STOPS_MAX = 120;

export async function judge(page, tell) {
  await outline(page, tell);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await access(page, colorScheme, tell);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await keyboard(page, tell);
  const wide = page.viewportSize();
  await page.setViewportSize(PHONE);
  await width(page, tell);
  await page.setViewportSize(wide);
}

async function outline(page, tell) {
  const found = await page.evaluate(() => {
    const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea')];
    const isNamed = (field) =>
      field.labels?.length > 0 || field.ariaLabel || field.hasAttribute('aria-labelledby');
    return {
      headings: document.querySelectorAll('h1').length,
      title: document.title,
      language: document.documentElement.lang,
      nameless: fields.filter((field) => !isNamed(field)).map((field) => field.outerHTML),
      inline: document.querySelectorAll('[style], [onclick], style, script:not([src])').length,
      // What a password manager or a browser would fill in where a value of the registry goes.
      shown: [...document.querySelectorAll('input[type=password]')].filter((one) => one.defaultValue).length,
    };
  });
  if (found.headings !== 1) tell(`${found.headings} headings of the first level`);
  if (!found.title.trim() || found.language !== 'en') tell('no title, or no language');
  found.nameless.forEach((field) => tell(`no label: ${field}`));
  if (found.inline > 0) tell(`${found.inline} inline scripts or styles`);
  if (found.shown > 0) tell('a field for a value came back filled');
}

async function access(page, colours, tell) {
  // Not a script of the page, so the page's policy has no say.
  await page.evaluate(axe);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const { violations } = await page.evaluate(
    (tags) => window.axe.run(document, { runOnly: tags, resultTypes: ['violations'] }),
    tags,
  );
  for (const { id, help, nodes } of violations) {
    const where = nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ');
    tell(`${colours}: ${id}: ${help} (${nodes.length}: ${where})`);
  }
}

/** Goes through the page by the Tab key: each control is come to, and shows that it was. */
async function keyboard(page, tell) {
  const expected = await page.evaluate((max) => {
    const all = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
    const isThere = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
    // Of radio buttons of one name, the keys come to one.
    const isFirst = (one) =>
      one.type !== 'radio' ||
      one === (document.querySelector(`[name="${one.name}"]:checked`) ?? document.querySelector(`[name="${one.name}"]`));
    const stops = [...document.querySelectorAll(all)].filter(isThere).filter(isFirst).slice(0, max);
    window.stops = new Set(stops);
    window.dim = [];
    document.activeElement?.blur();
    window.scrollTo(0, 0);
    return stops.length;
  }, STOPS_MAX);
  for (let press = 0; press < expected + 8; press += 1) {
    await page.keyboard.press('Tab');
    const left = await page.evaluate(() => {
      const here = document.activeElement;
      const look = getComputedStyle(here);
      const isSeen = look.outlineStyle !== 'none' || look.boxShadow !== 'none';
      if (window.stops.delete(here) && !isSeen) window.dim.push(here.outerHTML.slice(0, 120));
      return window.stops.size;
    });
    if (left === 0) break;
  }
  const found = await page.evaluate(() => ({
    left: [...window.stops].map((one) => one.outerHTML.slice(0, 120)),
    dim: window.dim,
  }));
  found.left.forEach((control) => tell(`no key leads to ${control}`));
  found.dim.forEach((control) => tell(`focus is not seen on ${control}`));
}

/** On a phone, the page is not wider than the screen, and no text is cut off. */
async function width(page, tell) {
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const scrolls = (one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX);
    const isHeld = (one) => {
      // What is placed by itself is held by what places it.
      const isPlaced = getComputedStyle(one).position === 'absolute';
      let at = isPlaced ? one.offsetParent : one.parentElement;
      for (; at; at = at.parentElement) if (scrolls(at)) return true;
      return false;
    };
    const isOut = (one) => {
      const { right, left, width } = one.getBoundingClientRect();
      return width > 0 && (right > room + 1 || left < -1) && !isHeld(one);
    };
    const isSkip = (one) => one.matches('.skip');
    const out = [...document.body.querySelectorAll('*')].filter((one) => isOut(one) && !isSkip(one));
    return {
      page: document.documentElement.scrollWidth - room,
      out: out.slice(0, 3).map((one) => one.outerHTML.slice(0, 120)),
    };
  });
  if (wide.page > 1) tell(`at 360 px, the page is ${wide.page} px too wide`);
  wide.out.forEach((one) => tell(`at 360 px, this is cut off: ${one}`));
}
