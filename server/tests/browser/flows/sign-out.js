// By keys alone: past the header to the content, back to the header, and out.
export async function run({ page, site, tell }) {
  await page.goto(`${site}/`);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  if (new URL(page.url()).hash !== '#content') tell('the first key does not lead to the content');
  await page.getByRole('button', { name: 'Sign out' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL('**/login');
  await page.goto(`${site}/secrets`);
  if (new URL(page.url()).pathname !== '/login') tell('whoever signed out is still in');
}
