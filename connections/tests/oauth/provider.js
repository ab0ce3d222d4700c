// A certified OpenID provider for the tests: PKCE is required, refresh tokens rotate and a used one ends
// its family, tokens can be revoked, devices can ask. Says its port on the first line, and ends when its
// input does.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const people = ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'];
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: 'native',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: people,
        redirect_uris: ['http://127.0.0.1/callback'],
      },
      {
        client_id: 'confidential',
        client_secret: 'canary-client-secret',
        application_type: 'native',
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: people,
        redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1/oauth/callback'],
      },
      {
        client_id: 'site',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/login/callback'],
      },
      {
        client_id: 'guarded-site',
        client_secret: 'canary-client-secret',
        application_type: 'native',
        token_endpoint_auth_method: 'client_secret_basic',
        redirect_uris: ['http://127.0.0.1/login/callback'],
      },
      {
        client_id: 'machine',
        client_secret: 'canary-client-secret',
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        scope: 'read',
      },
    ],
    scopes: ['openid', 'offline_access', 'read', 'write'],
    claims: { profile: ['preferred_username'], groups: ['groups'] },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        // Whoever asks for a token for hooks gets one that can be verified without asking here.
        getResourceServerInfo: (_, audience) => ({ audience, scope: 'read', accessTokenFormat: 'jwt' }),
      },
    },
    extraTokenClaims: async () => ({ groups: ['staff'] }),
    pkce: { required: () => true },
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: ['staff'] }) }),
  });
  server.on('request', provider.callback());
  console.log(port);
});
