// What the other flows did is in the audit, and the log is whole.
import { follows, presses, same, sees } from '../hands.js';

export async function run({ page, tell }) {
  await follows(page, 'Audit');
  await page.getByLabel('Action').fill('rotate');
  await page.getByLabel('Ref').fill('flows/api-token');
  await presses(page, 'Show');
  const rows = page.getByRole('region', { name: 'Events' }).locator('tbody tr');
  same(tell, 'new values of a secret', await rows.count(), 1);
  await sees(page, 'admin');
  await page.getByLabel('Since (UTC)').fill('2999-01-01');
  await presses(page, 'Show');
  await sees(page, 'Nothing is like that.');
  await follows(page, 'Show all');
  await follows(page, 'Verify the log');
  await sees(page, 'The log is whole');
}
