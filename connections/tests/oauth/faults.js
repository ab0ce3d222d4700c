// A mock server whose next answers the tests alter: each line of input is JSON that says what the next
// request to the token endpoint (`token`), to the revocation endpoint (`revoke`) or to the authorization
// endpoint (`authorize`) gets. Says its port on the first line, "ok" after each alteration, and ends when
// its input does.
import { createInterface } from 'node:readline';
import { Events, OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');

const alter = {
  token: ({ status, body }) =>
    server.service.once(Events.BeforeResponse, (response) => {
      response.statusCode = status;
      response.body = body;
    }),
  revoke: ({ status }) =>
    server.service.once(Events.BeforeRevoke, (response) => {
      response.statusCode = status;
    }),
  authorize: ({ query }) =>
    server.service.once(Events.BeforeAuthorizeRedirect, (redirect) => {
      for (const [name, value] of Object.entries(query)) {
        if (value === null) redirect.url.searchParams.delete(name);
        else redirect.url.searchParams.set(name, value);
      }
    }),
};

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { at, ...change } = JSON.parse(line);
  alter[at](change);
  console.log('ok');
});
input.on('close', () => process.exit(0));
console.log(server.address().port);
