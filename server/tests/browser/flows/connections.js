// A connection from the choice of its type to its end; it is tried with a service that knows one password.
import { VALUES, follows, hears, presses, same, sees } from '../hands.js';

export async function run({ page, tell, service }) {
  await follows(page, 'Connections');
  await follows(page, 'Add a connection');
  await page.getByLabel('Service').fill('basic');
  await presses(page, 'Find');
  await page.getByRole('main').getByRole('link').filter({ hasText: /basic|password/i }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('No Name');
  await page.getByLabel('Base URL').fill(service.url);
  await page.getByLabel(/^User/).fill('somebody');
  await page.getByLabel(/^Password/).fill(VALUES.wrong);
  await presses(page, 'Add');
  await page.getByRole('alert').waitFor();
  same(tell, 'a secret after a refusal', await page.getByLabel(/^Password/).inputValue(), '');
  same(tell, 'the address after a refusal', await page.getByLabel('Base URL').inputValue(), service.url);
  await page.getByLabel('Name', { exact: true }).fill('flows/web');
  await page.getByLabel(/^Password/).fill(VALUES.wrong);
  await presses(page, 'Add');
  await hears(page, 'It is stored.');

  await presses(page, 'Test');
  await page.getByRole('status').filter({ hasText: /refuse/i }).waitFor();
  await follows(page, 'Rotate secrets');
  await page.getByLabel(/^Password/).fill(VALUES.right);
  await presses(page, 'Rotate');
  await hears(page, 'It is stored.');
  await presses(page, 'Test');
  await page.getByRole('status').filter({ hasText: /works/i }).waitFor();

  await follows(page, 'Edit');
  // What is public comes back, what is secret does not, and stays when it is left alone.
  same(tell, 'a public field', await page.getByLabel(/^User/).inputValue(), 'somebody');
  same(tell, 'a secret field', await page.getByLabel(/^Password/).inputValue(), '');
  await page.getByLabel('What it is for').fill('edited in a flow');
  await presses(page, 'Save');
  await hears(page, 'It is stored.');
  await sees(page, 'edited in a flow');
  await presses(page, 'Test');
  await page.getByRole('status').filter({ hasText: /works/i }).waitFor();
  await presses(page, 'Disable');
  await hears(page, 'It is disabled');
  await presses(page, 'Enable');
  await hears(page, 'It is enabled');
  await follows(page, 'Delete');
  await follows(page, 'Cancel');
  await follows(page, 'Delete');
  await presses(page, 'Delete');
  await hears(page, 'It is deleted.');
  same(tell, 'rows of what was deleted', await page.getByRole('link', { name: 'flows/web' }).count(), 0);
  await key(page, tell);
}

/** A key of a service that is known: one field, and nothing else is asked for. */
async function key(page, tell) {
  await follows(page, 'Add a connection');
  await page.getByLabel('Service').fill('openai');
  await presses(page, 'Find');
  await page.getByRole('main').getByRole('link').first().click();
  await page.getByLabel('Name', { exact: true }).fill('flows/model');
  await page.getByLabel(/key/i).first().fill(VALUES.first);
  await presses(page, 'Add');
  await hears(page, 'It is stored.');
  await sees(page, 'A step names it');
  await follows(page, 'Connections');
  const row = page.locator('tbody tr').filter({ hasText: 'flows/model' });
  same(tell, 'the status of a key', await row.locator('.badge').innerText(), 'ready');
}
