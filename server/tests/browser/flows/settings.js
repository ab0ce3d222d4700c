// A personal token: shown once, good for what it may, over when it is revoked. Sessions of one's own.
import { PASSWORD, follows, hears, presses, same, sees, signsIn } from '../hands.js';

export async function run({ page, site, tell, stranger }) {
  await follows(page, 'Settings');
  await page.getByText('Make a token').click();
  await page.getByLabel('What is it for?').fill('a flow');
  await page.getByLabel('For how many days does it hold?').fill('1');
  await page.getByLabel(/These roles/).check();
  await page.getByLabel('Role 1').selectOption('viewer');
  await page.getByLabel('Workspace 1').fill('*');
  await presses(page, 'Make token');
  await sees(page, 'Your new token');
  const token = await page.locator('code.token').innerText();
  const asks = async (method, path) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = method === 'GET' ? undefined : '{"ref": "a", "value": "b"}';
    return (await fetch(`${site}/api/v1${path}`, { method, headers, body })).status;
  };
  same(tell, 'what a token may see', await asks('GET', '/secrets'), 200);
  same(tell, 'what a token may not do', (await asks('POST', '/secrets')) >= 403, true);
  await page.goto(`${site}/settings`);
  if ((await page.content()).includes(token)) tell('a token is shown a second time');
  await presses(page, 'Revoke a flow');
  await hears(page, 'The token is revoked.');
  same(tell, 'what a revoked token may see', await asks('GET', '/secrets'), 401);

  const other = await stranger();
  await signsIn(other, site, 'admin', PASSWORD);
  await follows(other, 'Settings');
  await page.reload();
  await presses(page, 'End all other sessions');
  await hears(page, 'All other sessions have ended.');
  await other.reload();
  same(tell, 'where a session is that was ended', new URL(other.url()).pathname, '/login');
}
