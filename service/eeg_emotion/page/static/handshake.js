// A client's first messages on a connection: who it is, what it follows, and where it resumes.

/** Bytes that the service takes in one message; a longer one ends the connection (1009). */
export const LARGEST_MESSAGE_BYTES = 4096;
// The service's cap, which `welcome` states only after the first message was sent.
const MOST_SUBSCRIPTIONS = 256;
const EVERY_HEADSET = "*";

/**
 * Write the first messages of a connection, none longer than the service takes.
 *
 * @param {object} said
 * @param {string|null} said.token a key or token, where credentials are asked for
 * @param {string[]} said.headsets ids; `*` for all
 * @param {string[]} said.detail ids whose `detail` is wanted too; `*` for all that are followed
 * @param {Map<string, {epoch: string, seq: number}>} said.positions each headset's last prediction
 * @returns {string[]} as JSON, in their order; the first is `hello`, the others are `subscribe`
 */
export function openingMessages({ token, headsets, detail, positions }) {
  const asked = [...new Set(headsets)];
  const named = asked.filter((name) => name !== EVERY_HEADSET);
  const parts = named.map((name) => resumed(name, positions));
  if (asked.includes(EVERY_HEADSET)) {
    // The service goes on only where it begins to follow, so no resume may come after the `*`.
    // Those that do not fit beside it are subscribed to by name before.
    const others = [...positions.keys()].filter((name) => !named.includes(name));
    const { part, left } = fill({ ...NOTHING, headsets: [EVERY_HEADSET] }, others, positions);
    const room = Math.max(0, MOST_SUBSCRIPTIONS - 1 - named.length);
    parts.push(...left.slice(0, room).map((name) => resumed(name, positions)), part);
  }
  parts.push(...[...new Set(detail)].map((name) => ({ ...NOTHING, detail: [name] })));

  const texts = [];
  let message = NOTHING;
  for (const part of parts) {
    const grown = join(message, part);
    if (fits(write(grown, token, texts.length === 0))) {
      message = grown;
    } else {
      texts.push(write(message, token, texts.length === 0));
      message = part;
    }
  }
  return [...texts, write(message, token, texts.length === 0)];
}

const NOTHING = { headsets: [], detail: [], resume: {} };

const join = (one, other) => ({
  headsets: [...one.headsets, ...other.headsets],
  detail: [...one.detail, ...other.detail],
  resume: { ...one.resume, ...other.resume },
});

function resumed(name, positions) {
  const resume = positions.has(name) ? { [name]: positions.get(name) } : {};
  return { ...NOTHING, headsets: [name], resume };
}

/** Add positions to a part as long as it fits a message; give it, and the names left over. */
function fill(part, names, positions) {
  for (const [index, name] of names.entries()) {
    const grown = join(part, { ...NOTHING, resume: { [name]: positions.get(name) } });
    if (!fits(write(grown, null, false))) return { part, left: names.slice(index) };
    part = grown;
  }
  return { part, left: [] };
}

function write({ headsets, detail, resume }, token, first) {
  const message = first
    ? { type: "hello", acknowledges: true, ...(token && { token }), subscribe: headsets }
    : { type: "subscribe", headsets };
  if (detail.length > 0) message.detail = detail;
  if (Object.keys(resume).length > 0) message.resume = resume;
  return JSON.stringify(message);
}

const fits = (text) => new TextEncoder().encode(text).length <= LARGEST_MESSAGE_BYTES;
