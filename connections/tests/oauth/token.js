// A program that shows itself to the provider of the first line of input, and prints the token that it gets for the
// audience of the second line.
import { createInterface } from 'node:readline';

const [url, resource] = await new Promise((done) => {
  const lines = [];
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => lines.push(line) === 2 && done(lines));
});
const body = new URLSearchParams({
  grant_type: 'client_credentials',
  client_id: 'machine',
  client_secret: 'canary-client-secret',
  resource,
});
const answer = await fetch(`${url}/token`, { method: 'POST', body });
console.log((await answer.json()).access_token);
process.exit(0);
