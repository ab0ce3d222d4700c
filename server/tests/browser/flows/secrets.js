// A secret from its first value to its end.
import { VALUES, follows, hears, presses, same, section, sees, stores } from '../hands.js';

const REF = 'flows/api-token';

export async function run({ page, tell }) {
  await follows(page, 'Secrets');
  await follows(page, 'Add a secret');
  // What cannot be stored comes back with what is wrong, and without the value.
  await page.getByLabel('Ref', { exact: true }).fill('No Ref');
  await page.getByLabel('Value', { exact: true }).fill(VALUES.first);
  await page.getByLabel('What it is for').fill('for the flows');
  await presses(page, 'Store secret');
  await page.getByRole('alert').waitFor();
  same(tell, 'the ref after a refusal', await page.getByLabel('Ref', { exact: true }).inputValue(), 'No Ref');
  same(tell, 'the value after a refusal', await page.getByLabel('Value', { exact: true }).inputValue(), '');
  await stores(page, REF, VALUES.first);
  await hears(page, 'The secret is stored.');

  const versions = page.getByRole('region', { name: 'Versions' }).locator('tbody tr');
  same(tell, 'versions of a new secret', await versions.count(), 1);
  await page.getByLabel('Value', { exact: true }).fill(VALUES.second);
  await presses(page, 'Store new value');
  await hears(page, 'The new value is stored');
  same(tell, 'versions after a new value', await versions.count(), 2);
  await presses(page, 'Bring back version 1');
  await hears(page, 'The earlier value is the current one again');
  same(tell, 'versions after bringing one back', await versions.count(), 3);
  await versions.filter({ hasText: 'current' }).filter({ hasText: /^3/ }).waitFor();

  await section(page, 'Description').getByRole('textbox').fill('brought back');
  await presses(page, 'Save description');
  await sees(page, 'brought back');
  await section(page, 'Expiry').getByLabel('At the end of a day (UTC)').fill('2031-05-06');
  await presses(page, 'Save expiry');
  await hears(page, 'When the value expires is changed.');
  await sees(page, '2031-05-06');
  await section(page, 'Expiry').getByLabel(/^Or at an age/).fill('90');
  await presses(page, 'Save expiry');
  await sees(page, 'each value after 90 days');
  await presses(page, 'Disable');
  await hears(page, 'Runs that need this secret stop from now on.');
  await presses(page, 'Enable');
  await hears(page, 'Runs may use the secret again.');
  await page.getByText('Keep fewer versions').click();
  await page.getByLabel('Versions to keep').fill('1');
  await presses(page, 'Drop older versions');
  await hears(page, 'The oldest versions are gone.');
  same(tell, 'versions that were kept', await versions.count(), 1);

  await scopes(page, tell);
  await follows(page, REF);
  await follows(page, 'Remove…');
  await follows(page, 'Cancel');
  await follows(page, 'Remove…');
  await presses(page, 'Remove for good');
  await hears(page, 'The secret is removed');
  same(tell, 'rows of what was removed', await page.getByRole('link', { name: REF }).count(), 0);
}

/** The list by scope, by state, by the beginning of a ref. */
async function scopes(page, tell) {
  await follows(page, 'Secrets');
  const refs = page.getByRole('region', { name: 'Secrets' }).locator('tbody th');
  await page.getByLabel('Workspace').selectOption({ label: 'payments' });
  await presses(page, 'Show');
  same(tell, 'secrets of a workspace', (await refs.allInnerTexts()).join(), 'token');
  await follows(page, 'Show all');
  await page.getByLabel('State').selectOption('disabled');
  await presses(page, 'Show');
  await sees(page, 'No secret is like that.');
  await follows(page, 'Show all');
  await page.getByLabel('Ref begins with').fill('flows/api');
  await presses(page, 'Show');
  same(tell, 'secrets below a prefix', (await refs.count()), 1);
}
