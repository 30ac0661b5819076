/** An answer that is no success, or none at all (`status` 0). */
export class ServerFault extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const keyName = 'graft-api-key';

/** Keeps the key for this tab. */
export function useKey(key) {
  sessionStorage.setItem(keyName, key);
}

/** Whether calls of this tab carry a key. */
export function asksWithKey() {
  return sessionStorage.getItem(keyName) !== null;
}

/** Asks the server; its JSON, or a `ServerFault` with what it says. */
export async function ask(path, options = {}) {
  const key = sessionStorage.getItem(keyName);
  const headers = { ...options.headers, ...(key && { authorization: `Bearer ${key}` }) };
  const response = await reached(path, { ...options, headers });
  if (!response.ok) throw new ServerFault(response.status, await reasonOf(response));
  return response.json();
}

/** Whether an address answers with success. */
export async function isFine(path) {
  return (await reached(path, {})).ok;
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ServerFault(0, 'The server cannot be reached.');
  }
}

async function reasonOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text.slice(0, 300);
  }
}

/** Where a model is asked. */
export function modelPath(name, action = '') {
  return `/v2/models/${encodeURIComponent(name)}${action}`;
}
