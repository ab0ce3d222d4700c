// On a small phone without script: a secret is stored, a workflow started and looked at.
import { PHONE, VALUES, follows, presses, same, sees, stores } from '../hands.js';

export const options = { javaScriptEnabled: false, viewport: PHONE };

export async function run({ page, tell }) {
  await stores(page, 'flows/small', VALUES.first);
  await follows(page, 'Workflows');
  await follows(page, 'report');
  await presses(page, 'Start');
  for (let look = 0; look < 100 && (await page.locator('#state.succeeded').count()) === 0; look += 1) {
    await page.waitForTimeout(100);
    await page.reload();
  }
  await sees(page, 'succeeded');
  await page.locator('[data-step=print] summary').click();
  await page.getByRole('link', { name: 'stdout' }).click();
  await sees(page, 'to Bergen with *******');
  same(tell, 'the way out', await page.getByRole('button', { name: 'Sign out' }).isVisible(), true);
}
