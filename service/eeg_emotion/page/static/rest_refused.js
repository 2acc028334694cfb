// The seconds of rest that did not count: why, and what to do, in words and as a list.

import { part, write } from "./dom.js";
import { reasonBrief, reasonRemedy } from "./sentences.js";

/** Why seconds did not count, and what to do. */
export const refusalWords = (reason) => `${reasonBrief(reason)}. ${reasonRemedy(reason)}`.trim();

export const total = (refused) => Object.values(refused).reduce((sum, count) => sum + count, 0);

export const refusedList = () => part("div", { class: "rest-refused" }, part("p", {}), part("ul"));

export function fillRefused(element, refused) {
  const entries = Object.entries(refused).sort(([, one], [, other]) => other - one);
  element.hidden = entries.length === 0;
  const [head, list] = element.children;
  write(head, `Not counted: ${total(refused)} s`);
  while (list.children.length > entries.length) list.lastChild.remove();
  entries.forEach(([reason, count], place) => {
    const item = list.children[place] ?? list.appendChild(part("li"));
    write(item, `${count} s: ${refusalWords(reason)}`);
  });
}

/** Which reason the seconds since an earlier message were refused for; null where one counted. */
export function refusedSince(earlier, later) {
  if (later.clean_seconds > earlier.clean_seconds) return null;
  const rise = ([reason, count]) => count - (earlier.refused[reason] ?? 0);
  const [most] = Object.entries(later.refused).sort((one, other) => rise(other) - rise(one));
  return most !== undefined && rise(most) > 0 ? most[0] : null;
}
