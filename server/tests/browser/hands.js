// What a person does at a page, and what they look for: each of these waits, and throws if it does not come.

/** Values that are typed in flows. Nothing that comes from the server may have one, in whatever form. */
export const VALUES = {
  first: 'first-value-5b1c',
  second: 'second-value-9d2e',
  printed: 'printed-value-7a3f',
  wrong: 'wrong-password-2c4d',
  right: 'right-password-8e5a',
};
/** A password that admins of the tests have. */
export const PASSWORD = 'long-enough-for-an-admin';

export const PHONE = { width: 360, height: 740 };

export async function sees(page, text) {
  await page.locator('main').getByText(text).first().waitFor();
}

/** What the server says of what was just done. */
export async function hears(page, notice) {
  await page.getByRole('status').filter({ hasText: notice }).waitFor();
}

export async function follows(page, name) {
  await page.getByRole('link', { name, exact: true }).first().click();
}

export async function presses(page, name) {
  await page.getByRole('button', { name, exact: true }).first().click();
}

/** The part of a page below a heading of the second level. */
export function section(page, heading) {
  return page.locator('section').filter({ has: page.getByRole('heading', { name: heading, exact: true }) });
}

/** Comes in as people do. */
export async function signsIn(page, site, name, password) {
  await page.goto(`${site}/login`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await presses(page, 'Sign in');
}

/** Stores a secret by its form. */
export async function stores(page, ref, value) {
  await follows(page, 'Secrets');
  await follows(page, 'Add a secret');
  await page.getByLabel('Ref', { exact: true }).fill(ref);
  await page.getByLabel('Value', { exact: true }).fill(value);
  await presses(page, 'Store secret');
  await page.getByRole('heading', { name: ref, exact: true }).waitFor();
}

/** What is different from what was expected. */
export function same(tell, what, found, expected) {
  if (found !== expected) tell(`${what}: ${JSON.stringify(found)} and not ${JSON.stringify(expected)}`);
}
