// A workflow: what is wrong with it, what a run would have, a run that is followed, one that is stopped and retried.
import { VALUES, follows, hears, presses, same, sees, stores } from '../hands.js';

export async function run({ page, tell }) {
  await broken(page, tell);
  await stores(page, 'flows/printed', VALUES.printed);
  await report(page, tell);
  await patient(page, tell);
}

async function broken(page, tell) {
  await follows(page, 'Workflows');
  await follows(page, 'broken');
  await sees(page, 'It cannot be started');
  const note = page.locator('.source .note.error').first();
  await note.waitFor();
  const line = page.locator('.source .line.marked').first();
  if (!(await line.innerText()).includes('rnu')) tell('the error does not stand below the line that it is about');
}

async function report(page, tell) {
  await follows(page, 'Workflows');
  await follows(page, 'report');
  await presses(page, 'Dry run');
  await hears(page, 'What a run would have');
  await sees(page, 'flows/printed');
  await page.getByLabel('CITY').fill('Oslo');
  await presses(page, 'Start');
  // The page follows the run by itself.
  await page.locator('#state.succeeded').waitFor();
  const step = page.locator('[data-step=print]');
  await step.locator('.badge.succeeded').waitFor();
  await step.locator('summary').click();
  const log = step.locator('pre.log').first();
  await log.filter({ hasText: 'to Oslo with *******' }).waitFor();
  await step.getByRole('link', { name: 'stdout' }).click();
  const text = await page.locator('pre.log').innerText();
  same(tell, 'the log', text.trim(), 'to Oslo with *******\n*******');
}

async function patient(page, tell) {
  await follows(page, 'Workflows');
  await follows(page, 'patient');
  await presses(page, 'Start');
  const step = page.locator('[data-step=wait]');
  // What is printed while the step runs is seen while it runs.
  await step.locator('.badge.running').waitFor();
  await step.locator('pre.log').filter({ hasText: 'it waits with *******' }).waitFor();
  const first = new URL(page.url()).pathname;
  await presses(page, 'Stop');
  await page.locator('#state.aborted').waitFor();
  await presses(page, 'Retry');
  await page.locator('[data-step=wait] .badge.running').waitFor();
  await page.locator(`a[href="${first}"]`).waitFor();
  await presses(page, 'Kill');
  await page.locator('#state:not(.running)').waitFor();
  await follows(page, 'Runs');
  await page.getByLabel('Workflow').fill('patient');
  await page.getByLabel('Status').selectOption('aborted');
  await presses(page, 'Show');
  same(tell, 'runs that were stopped', (await page.locator('tbody tr').count()) >= 1, true);
  await follows(page, 'All runs');
}
