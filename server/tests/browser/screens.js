// Pictures of pages, for the documentation and for whoever wants to see.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.SUBROSA_SCREENS;
const LOOKS = {
  wide: { size: { width: 1280, height: 800 }, colorScheme: 'light' },
  phone: { size: { width: 360, height: 740 }, colorScheme: 'light' },
  dark: { size: { width: 1280, height: 800 }, colorScheme: 'dark' },
};

/** What a page is called: `/secrets/prod%2Fdb?x=1` is `secrets-prod-db-x-1`. */
function named(target) {
  return decodeURIComponent(target).replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
}

export async function take(page, target) {
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  // As somebody finds it who has just come.
  await page.reload({ waitUntil: 'load' });
  for (const [look, { size, colorScheme }] of Object.entries(LOOKS)) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(folder, `${named(target)}-${look}.png`), fullPage: true });
  }
}
