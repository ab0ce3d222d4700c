// Users: added, come in with less than an admin may, changed, kept out, removed.
import { follows, hears, presses, same, sees, signsIn } from '../hands.js';

const FIRST = 'first-password-of-theirs';
const SECOND = 'second-password-of-theirs';

export async function run({ page, site, tell, stranger }) {
  await follows(page, 'Settings');
  await follows(page, 'Users of this server');
  await page.getByLabel('Name', { exact: true }).fill('flora');
  await page.getByLabel('First password').fill('short');
  await presses(page, 'Add user');
  // The browser itself refuses it.
  same(tell, 'the page', new URL(page.url()).pathname, '/users');
  await page.getByLabel('First password').fill(FIRST);
  await page.getByLabel('Role 1').selectOption('viewer');
  await page.getByLabel('Workspace 1').fill('*');
  await presses(page, 'Add user');
  await hears(page, 'The user is added.');

  const theirs = await stranger();
  await signsIn(theirs, site, 'flora', 'not-the-password-of-theirs');
  await theirs.getByRole('alert').waitFor();
  same(tell, 'the name after a refusal', await theirs.getByLabel('Name').inputValue(), 'flora');
  await theirs.getByLabel('Password').fill(FIRST);
  await presses(theirs, 'Sign in');
  await follows(theirs, 'Secrets');
  await theirs.getByRole('link', { name: 'prod/db-password' }).waitFor();
  same(tell, 'ways to add for a viewer', await theirs.getByRole('link', { name: 'Add a secret' }).count(), 0);
  same(tell, 'the audit for a viewer', await theirs.getByRole('link', { name: 'Audit' }).count(), 0);

  await follows(page, 'flora');
  await page.getByLabel('Role 1').selectOption('manager');
  await presses(page, 'Save rights');
  await hears(page, 'What the user may do is changed.');
  await theirs.reload();
  await theirs.getByRole('link', { name: 'Add a secret' }).waitFor();
  await page.getByLabel('New password').fill(SECOND);
  await presses(page, 'Set password');
  await hears(page, 'The password is set.');
  await theirs.reload();
  same(tell, 'where somebody is whose password was set', new URL(theirs.url()).pathname, '/login');
  await signsIn(theirs, site, 'flora', SECOND);
  await follows(theirs, 'Secrets');

  await page.getByLabel('New name').fill('florence');
  await presses(page, 'Rename');
  await hears(page, 'The user has another name now.');
  await presses(page, 'Disable');
  await hears(page, 'The user may not come in any more.');
  await theirs.reload();
  same(tell, 'where somebody is who was disabled', new URL(theirs.url()).pathname, '/login');
  await signsIn(theirs, site, 'florence', SECOND);
  await theirs.getByRole('alert').waitFor();
  await presses(page, 'Enable');
  await hears(page, 'The user may come in again.');
  await page.getByText('Remove florence').click();
  await presses(page, 'Remove for good');
  await hears(page, 'The user is removed');
  await sees(page, 'admin');
  same(tell, 'rows of who was removed', await page.getByRole('link', { name: 'florence' }).count(), 0);
}
