// An environment is protected, opened again, and removed when nothing is left in it; how the key stands is told.
import { follows, hears, presses, same, sees } from '../hands.js';

export async function run({ page, tell }) {
  await follows(page, 'Secrets');
  await follows(page, 'Environments');
  await page.getByLabel('Name', { exact: true }).fill('no name');
  await page.getByLabel('Name', { exact: true }).press('Enter');
  await page.getByRole('alert').waitFor();
  same(tell, 'the name after a refusal', await page.getByLabel('Name', { exact: true }).inputValue(), 'no name');
  await page.getByLabel('Name', { exact: true }).fill('staging');
  await page.getByLabel('Name', { exact: true }).press('Enter');
  await hears(page, 'To use or change it takes a manager');
  const row = page.locator('tbody tr').filter({ hasText: 'staging' });
  same(tell, 'how it is marked', await row.locator('.badge').innerText(), 'protected');
  await presses(page, 'Take the protection off staging');
  await hears(page, 'Whoever may use its secrets elsewhere');
  await presses(page, 'Protect staging');
  await hears(page, 'To use or change it takes a manager');
  // A secret is left in that one.
  await presses(page, 'Remove prod');
  await page.getByRole('alert').waitFor();
  await presses(page, 'Remove staging');
  await hears(page, 'The environment is gone.');
  same(tell, 'rows of what was removed', await row.count(), 0);
  await follows(page, 'prod');
  const refs = page.getByRole('region', { name: 'Secrets' }).locator('tbody th');
  same(tell, 'secrets of an environment', (await refs.allInnerTexts()).join(), 'token');

  await follows(page, 'Settings');
  await follows(page, 'Key of the registry');
  await sees(page, 'opens the registry');
}
