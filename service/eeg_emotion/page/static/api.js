// REST from the page, with the tab's key.

import { address } from "./address.js";
import { key } from "./key.js";

/**
 * Ask the service; gives what it answers, null where it answers nothing.
 *
 * Throws an Error in a user's words where the answer is no; its `status` is that of the answer and
 * null where none came, its `detail` what the service said and null where it said nothing.
 */
export async function ask(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (key() !== null) headers.Authorization = `Bearer ${key()}`;
  let answer;
  try {
    answer = await fetch(address(path), { method, headers, body: JSON.stringify(body) });
  } catch {
    throw refusal("The service does not answer.", null, null);
  }
  const found = await answer.json().catch(() => null);
  if (answer.ok) return found;
  const detail = found?.detail ?? null;
  throw refusal(detail ?? `The service answered ${answer.status}.`, answer.status, detail);
}

const refusal = (words, status, detail) => Object.assign(new Error(words), { status, detail });
