// An OpenID provider on loopback for the interop tests: node provider.mjs. Its first line of output is {"issuer": …}.
//
// oidc-provider is used as it is; here are its clients, its one account, and the page where that logs in. A line of
// JSON follows for each grant that is made, so that tests see what the server itself thinks of them.
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

// Installed wherever the tests say: npm's own look-up goes by the place of this file.
const modules = path.resolve(process.env.OIDC_PROVIDER_MODULES ?? 'node_modules');
const entry = createRequire(path.join(modules, 'here.cjs')).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(entry));

const USERS = new Map([['pi', 'obviously-fake']]);
const TAP = 'https://archive.example.org/tap';

const server = http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const native = {
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback'], // any port, this path (RFC 8252, section 7.3)
  grant_types: ['authorization_code', 'refresh_token'],
};

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'native', ...native },
    {
      client_id: 'service name',
      client_secret: 'service fake:%+',
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
  claims: { openid: ['sub', 'preferred_username'] },
  conformIdTokenClaims: false, // the identity token itself holds the claims
  scopes: ['openid', 'offline_access', 'tap'],
  cookies: { keys: ['obviously-fake'] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => {
        if (resource !== TAP) throw new Error('no such service');
        return { scope: 'tap', audience: TAP, accessTokenFormat: 'jwt', accessTokenTTL: 600 };
      },
    },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
});

const note = (what) => console.log(JSON.stringify(what));
for (const event of ['grant.success', 'grant.error', 'grant.revoked', 'refresh_token.consumed']) {
  provider.on(event, (ctx, error) => note({ event, error: error instanceof Error ? error.message : undefined }));
}

const page = `<!DOCTYPE html><title>Log in</title><form method="post">
<input name="username" id="username"><input name="password" id="password" type="password">
<button id="log-in" name="answer" value="yes">Log in</button><button id="decline" name="answer" value="no">Cancel</button></form>`;

async function formOf(request) {
  let body = '';
  for await (const piece of request) body += piece;
  return new URLSearchParams(body);
}

async function logIn(request, response) {
  if (request.method === 'POST') {
    const form = await formOf(request);
    if (form.get('answer') === 'no') {
      return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'declined' });
    }
    if (USERS.get(form.get('username')) === form.get('password')) {
      return provider.interactionFinished(request, response, { login: { accountId: form.get('username') } });
    }
  }
  response.writeHead(request.method === 'POST' ? 403 : 200, { 'Content-Type': 'text/html; charset=utf-8' });
  return response.end(page);
}

async function consent(request, response, { prompt, params, session }) {
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const standard = provider.callback();
server.on('request', async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return standard(request, response);
  try {
    const details = await provider.interactionDetails(request, response);
    return await (details.prompt.name === 'login' ? logIn(request, response) : consent(request, response, details));
  } catch (error) {
    response.writeHead(500, { 'Content-Type': 'text/plain' });
    return response.end(String(error.message));
  }
});

process.stdin.resume(); // it ends when who started it ends
process.stdin.on('end', () => process.exit(0));
note({ issuer });
