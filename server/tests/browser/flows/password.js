// The first admin, who came by the link, chooses a password.
import { PASSWORD, follows, hears, presses, same } from '../hands.js';

export async function run({ page, site, tell }) {
  await page.goto(`${site}/`);
  await follows(page, 'Choose one under Settings.');
  await page.getByLabel('New password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('New password, once more').fill('something-else-than-before');
  await presses(page, 'Set password');
  await page.getByRole('alert').waitFor();
  same(tell, 'a password after a refusal', await page.getByLabel('New password', { exact: true }).inputValue(), '');
  await page.getByLabel('New password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('New password, once more').fill(PASSWORD);
  await presses(page, 'Set password');
  await hears(page, 'Your password is changed.');
}
