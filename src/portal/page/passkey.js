// Asks a passkey what a form on this page is for, and sends the form with the answer. It talks to this host alone.
"use strict";

(() => {
  const WORDS = {
    AbortError: "",
    NotAllowedError: "Nothing was confirmed: it was cancelled, took too long, or there is no passkey here that fits.",
    NotCreated: "Nothing was created: it was cancelled, took too long, or this device cannot make sure it is you.",
    InvalidStateError: "This device or key has a passkey for your account already.",
    NotSupportedError: "This device or key cannot hold a passkey for this site. Please use another one.",
    SecurityError: "This browser does not use passkeys at this address.",
    403: "This page is out of date. Please reload it, then try again.",
    410: "This has taken too long. Please start again.",
    429: "There were too many tries. Please wait a few minutes.",
    unknown: "Something did not work. Please try again, or use another way.",
    missing: "This browser cannot use passkeys.",
  };

  // A waiting offer in the name field is asked anew before its challenge grows too old.
  const RENEW_MS = 4 * 60 * 1000;

  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };

  const text = (buffer) => {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const listed = (list) => (list || []).map((entry) => ({ ...entry, id: bytes(entry.id) }));

  const creation = (options) => {
    if (PublicKeyCredential.parseCreationOptionsFromJSON) {
      return PublicKeyCredential.parseCreationOptionsFromJSON(options);
    }
    const user = { ...options.user, id: bytes(options.user.id) };
    const excludeCredentials = listed(options.excludeCredentials);
    return { ...options, user, challenge: bytes(options.challenge), excludeCredentials };
  };

  const request = (options) => {
    if (PublicKeyCredential.parseRequestOptionsFromJSON) {
      return PublicKeyCredential.parseRequestOptionsFromJSON(options);
    }
    const allowCredentials = listed(options.allowCredentials);
    return { ...options, challenge: bytes(options.challenge), allowCredentials };
  };

  const written = (credential) => {
    try {
      return credential.toJSON();
    } catch {
      // Older browsers, and extensions that stand in for the browser, cannot write it themselves.
    }
    const { response } = credential;
    const members = {};
    for (const name of ["attestationObject", "authenticatorData", "clientDataJSON", "signature", "userHandle"]) {
      if (response[name]) members[name] = text(response[name]);
    }
    if (response.getTransports) members.transports = response.getTransports();
    const { id, type } = credential;
    return { id, rawId: text(credential.rawId), type, response: members, clientExtensionResults: {} };
  };

  const forSecurityKey = (options) => ({
    ...options,
    hints: ["security-key"],
    authenticatorSelection: {
      ...options.authenticatorSelection,
      authenticatorAttachment: "cross-platform",
      // Old keys have little room; one that is not found without a name is still a second factor.
      residentKey: "preferred",
      requireResidentKey: false,
    },
  });

  const ask = async (form) => {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch("/passkey/options", { method: "POST", body });
    if (!answer.ok) throw Object.assign(new Error("refused"), { name: String(answer.status) });
    return answer.json();
  };

  const send = (form, credential, ceremony) => {
    form.elements.credential.value = JSON.stringify(written(credential));
    form.elements.ceremony.value = ceremony;
    form.submit();
  };

  const say = (place, sentence) => {
    place.querySelector(".trouble").replaceChildren();
    if (!sentence) return;
    const words = Object.assign(document.createElement("p"), { textContent: sentence });
    const notice = Object.assign(document.createElement("div"), { className: "notice bad" });
    const icon = place.querySelector("template").content.cloneNode(true);
    notice.append(icon, words);
    place.querySelector(".trouble").append(notice);
  };

  // The offer in the name field that is waiting, if one is.
  let waiting = null;

  const run = async (place, mode) => {
    const form = place.querySelector("form");
    const create = place.dataset.passkey === "create";
    const { options, ceremony } = await ask(form);
    const control = new AbortController();
    waiting?.abort();
    waiting = mode === "conditional" ? control : null;
    const signal = control.signal;
    const asked = mode === "security-key" ? forSecurityKey(options) : options;
    const credential = create
      ? await navigator.credentials.create({ publicKey: creation(asked), signal })
      : await navigator.credentials.get({
          publicKey: request(asked),
          signal,
          ...(mode === "conditional" && { mediation: "conditional" }),
        });
    send(form, credential, ceremony);
  };

  const press = async (place, mode) => {
    const buttons = place.querySelectorAll("button");
    say(place, "");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await run(place, mode);
    } catch (error) {
      // A page that asks by itself says nothing if the browser would rather be asked by a person.
      const denied = error.name === "NotAllowedError";
      const name = denied && place.dataset.passkey === "create" ? "NotCreated" : error.name;
      if (mode !== "at-once" || !denied) say(place, WORDS[name] ?? WORDS.unknown);
      buttons.forEach((button) => { button.disabled = false; });
      if (place.dataset.start === "with-name") offer(place);
    }
  };

  const offer = async (place) => {
    const can = PublicKeyCredential.isConditionalMediationAvailable;
    if (!can || !(await can.call(PublicKeyCredential))) return;
    const renewal = setTimeout(() => offer(place), RENEW_MS);
    try {
      await run(place, "conditional");
    } catch {
      // Nobody asked for it, so nobody is told: the button is there.
    } finally {
      if (waiting === null) clearTimeout(renewal);
    }
  };

  // A passkey that is not known here any more: the device need not offer it again. It is a wish that may fail.
  for (const { dataset } of document.querySelectorAll("[data-gone]")) {
    const gone = { rpId: dataset.rp, credentialId: dataset.gone };
    window.PublicKeyCredential?.signalUnknownCredential?.(gone)?.catch(() => {});
  }

  for (const place of document.querySelectorAll("[data-passkey]")) {
    if (!window.PublicKeyCredential) {
      say(place, WORDS.missing);
      continue;
    }
    place.querySelector(".buttons").hidden = false;
    place.addEventListener("submit", (event) => {
      event.preventDefault();
      press(place, event.submitter?.dataset.authenticator ?? "pressed");
    });
    if (place.dataset.start === "at-once") press(place, "at-once");
    if (place.dataset.start === "with-name") offer(place);
  }
})();
