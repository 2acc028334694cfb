// Where the service is. A proxy may have a path of its own for it, which this file's address states.

const ROOT = new URL("..", import.meta.url);

/** The address of one of the service's paths, such as `/v1/stream`, with or without the proxy's. */
export function address(path) {
  const { pathname } = ROOT;
  return new URL(path.startsWith(pathname) ? path.slice(pathname.length) : path.slice(1), ROOT);
}
