// A certified OpenID provider (npm `oidc-provider`) for scenarios: everything of the protocol is its own. What is here is what it
// leaves to whoever runs it: who there is, and a page that asks for a password and, where somebody gives it, a one-time code.
//
//   node provider.mjs PORT      BERTH_REGISTRATION_TOKEN in the environment: whoever has it registers clients (RFC 7591)
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const PASSWORD = 'correct horse';
const CODE = '314159';
const people = {
  ada: { name: 'Ada Lovelace', email: 'ada@acme.example', email_verified: true },
  // Says that it has an address there, which nobody has checked.
  mallory: { name: 'Mallory', email: 'mallory@acme.example', email_verified: false },
};

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig',
});

const provider = new Provider(issuer, {
  jwks: { keys: [
    key('rsa', { modulusLength: 2048 }, 'RS256'),
    key('ec', { namedCurve: 'P-256' }, 'ES256'),
  ] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  claims: {
    openid: ['sub', 'acr', 'amr', 'auth_time', 'sid'],
    profile: ['name'],
    email: ['email', 'email_verified'],
  },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    registration: {
      enabled: true,
      initialAccessToken: process.env.BERTH_REGISTRATION_TOKEN,
      // Clients are known at the other side before they are registered here.
      idFactory: (ctx) => ctx.get('client-id'),
      secretFactory: (ctx) => ctx.get('client-secret'),
    },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => people[id] && {
    accountId: id,
    claims: () => ({ sub: id, ...people[id] }),
  },
  // Whoever signs in has agreed to what is asked for.
  loadExistingGrant: async (ctx) => {
    const { client, session, params } = ctx.oidc;
    const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope);
    await grant.save();
    return grant;
  },
});
provider.on('backchannel.error', (_, error) => console.error('back-channel logout', error));
provider.on('server_error', (_, error) => console.error(error));

const page = (uid, wrong) => `<!doctype html><html lang="en"><title>Sign in</title><h1>The provider</h1>
<p role="status">${wrong ? 'That is wrong.' : ''}</p>
<form method="post" action="/interaction/${uid}" autocomplete="off">
<label>Name <input name="login"></label>
<label>Password <input name="password" type="password"></label>
<label>Code <input name="code"></label>
<button>Sign in</button>
</form></html>`;

async function interact(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  let wrong = false;
  if (request.method === 'POST') {
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    const [login, code] = [form.get('login'), form.get('code')];
    if (Object.hasOwn(people, login) && form.get('password') === PASSWORD && (!code || code === CODE)) {
      const amr = code ? ['pwd', 'otp', 'mfa'] : ['pwd'];
      const result = { login: { accountId: login, amr } };
      return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    }
    wrong = true;
  }
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(page(uid, wrong));
}

const everything = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) return everything(request, response);
  interact(request, response).catch((error) => {
    console.error(error);
    response.statusCode = 500;
    response.end();
  });
}).listen(port, '127.0.0.1');
