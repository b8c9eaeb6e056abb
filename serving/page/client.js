// Asks the server that this page is from.

/** What the server refused, with its status and reason; status 0 where it could not be reached. */
export class Refusal extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

// In memory alone: it goes with the page, and no other page can read it.
let token = '';
// The question for it that is open. All requests that were refused wait for the same answer.
let question = null;
let askForToken = null;

/** `wish(again)` is called where the server wants a token, and promises one; `again`: the last was wrong. */
export function onTokenWanted(wish) {
  askForToken = wish;
}

async function send(path, body, signal) {
  const headers = {};
  if (token !== '') headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  try {
    return await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      body: body === undefined ? undefined : JSON.stringify(body),
      headers, signal, credentials: 'omit', redirect: 'error',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, 'The server cannot be reached.');
  }
}

/** The JSON that a path of the server answers: of a GET, or of a POST where there is a body. */
export async function ask(path, {body, signal} = {}) {
  for (;;) {
    const used = token;
    const response = await send(path, body, signal);
    if (response.status === 401) {
      if (token === used) {
        question ??= askForToken(used !== '').finally(() => { question = null; });
        token = await question;
      }
      signal?.throwIfAborted();
      continue;
    }
    let answer;
    try {
      answer = await response.json();
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Refusal(response.status, `The server answered ${response.status}, and no JSON.`);
    }
    if (!response.ok) throw new Refusal(response.status, answer.error ?? `The server answered ${response.status}.`);
    return answer;
  }
}

/** A path of the API with its parts percent-encoded; `query` as [name, value] pairs. */
export function pathOf(parts, query = []) {
  const path = ['v1', ...parts].map(encodeURIComponent).join('/');
  const words = new URLSearchParams(query).toString();
  return words === '' ? path : `${path}?${words}`;
}
