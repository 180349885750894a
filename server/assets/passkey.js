// What a browser has to be asked by a script: to make a passkey, or to show one. The page says what is asked; the answer goes with the page's form.
"use strict";

const form = document.querySelector("form[data-passkey]");
const told = document.querySelector("[role=alert]");

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const put = (name, buffer) => {
  form.elements[name].value = text(buffer);
};

async function make({ challenge, party, account, person, known }) {
  const { response } = await navigator.credentials.create({
    publicKey: {
      challenge: bytes(challenge),
      rp: { id: party, name: "Berth" },
      user: { id: bytes(account), name: person, displayName: person },
      pubKeyCredParams: [-8, -7].map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: known.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: bytes(id) })),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
    },
  });
  put("authenticator_data", response.getAuthenticatorData());
  put("client_data", response.clientDataJSON);
}

async function show({ challenge, party }) {
  const shown = await navigator.credentials.get({
    publicKey: { challenge: bytes(challenge), rpId: party, userVerification: "required" },
  });
  put("credential", shown.rawId);
  put("account", shown.response.userHandle);
  put("authenticator_data", shown.response.authenticatorData);
  put("client_data", shown.response.clientDataJSON);
  put("signature", shown.response.signature);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  told.textContent = "";
  try {
    await (form.dataset.passkey === "make" ? make : show)(form.dataset);
    form.submit();
  } catch (error) {
    told.textContent = `The browser did not: ${error.message || error.name}`;
  }
});
