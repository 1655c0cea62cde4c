// The service's REST interface, its error form, and the bearer token if it asks for one.

import { byId } from "./dom.js";

const TOKEN = "lutlens-token";

// The URL that the service prints carries the token in its fragment, which is never sent anywhere.
const fragment = new URLSearchParams(location.hash.slice(1)).get("token");
if (fragment) {
  sessionStorage.setItem(TOKEN, fragment);
  history.replaceState(null, "", location.pathname + location.search);
}

/** An error that the service explained (RFC 9457), or that the network gave. */
export class ServiceError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Call the service; returns the parsed answer. Throws ServiceError. */
export async function call(method, path, body, options) {
  const response = await request(method, path, body, options);
  return response.status === 204 ? null : response.json();
}

/** A picture of the service, as an ImageBitmap. Throws ServiceError. */
export async function picture(path) {
  const response = await request("GET", path);
  return createImageBitmap(await response.blob());
}

async function request(method, path, body, { type = "application/json", signal } = {}) {
  const send = () => {
    const headers = {};
    const token = sessionStorage.getItem(TOKEN);
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined && type) headers["Content-Type"] = type; // a form knows its own
    const data = type === "application/json" && body !== undefined ? JSON.stringify(body) : body;
    return fetch(`/api/v1/${path}`, { method, headers, body: data, signal });
  };
  let response;
  try {
    response = await send();
    while (response.status === 401 && (await askForToken())) response = await send();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service does not answer.", 0);
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new ServiceError(answer.detail || `The service said ${response.status}.`, response.status);
  }
  return response;
}

function askForToken() {
  const dialog = byId("token-dialog");
  const input = byId("token-input");
  if (dialog.open) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (used) => {
      if (used) sessionStorage.setItem(TOKEN, input.value.trim());
      dialog.onclose = null;
      dialog.close();
      resolve(used);
    };
    byId("token-ok").onclick = () => end(Boolean(input.value.trim()));
    byId("token-cancel").onclick = () => end(false);
    input.onkeydown = (event) => event.key === "Enter" && end(Boolean(input.value.trim()));
    dialog.onclose = () => resolve(false);
    input.value = "";
    dialog.showModal();
  });
}
