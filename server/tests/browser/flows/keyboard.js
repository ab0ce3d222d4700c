// By keys alone: to the form, through it, and the secret is stored.
import { VALUES, hears, same } from '../hands.js';

export async function run({ page, tell }) {
  const comesTo = async (text) => {
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press('Tab');
      const here = await page.evaluate(() => {
        const { activeElement: at } = document;
        return at.labels?.[0]?.innerText ?? at.innerText;
      });
      if (here?.trim() === text) return;
    }
    throw new Error(`no key leads to ${text}`);
  };
  await comesTo('Secrets');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/secrets');
  await comesTo('Add a secret');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/secrets/new');
  await comesTo('Ref');
  await page.keyboard.type('flows/typed');
  await comesTo('Value');
  await page.keyboard.type(VALUES.second);
  await page.keyboard.press('Enter');
  await hears(page, 'The secret is stored.');
  same(tell, 'the heading', await page.getByRole('heading', { level: 1 }).innerText(), 'flows/typed');
}
