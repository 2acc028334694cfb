// The seconds of rest that did not count: why, and what to do, in words and as a list.

import { part, write } from "./dom.js";

const REFUSALS = {
  warming_up: "the filters are settling",
  gap: "samples were lost, and the filters settle again",
  stale: "the headset stopped sending",
  channels_missing: "too few electrodes are good",
  poor_contact: "electrodes have poor contact",
  unit_suspect: "the signal's size does not fit its unit",
  out_of_range: "the signal is too strong, as in movement",
  not_worn: "there is no signal, as if the headset were not worn",
  no_baseline: "there is no baseline yet",
};

const REMEDIES = {
  warming_up: "It passes by itself.",
  gap: "Bring the headset nearer to its receiver, and see its battery.",
  stale: "See that it is on and near.",
  channels_missing: "Seat the electrodes that the map of the head marks.",
  poor_contact: "Press down the electrodes that the map of the head marks, or add gel or water.",
  unit_suspect: "Whoever runs the headset's stream should see which unit it states.",
  out_of_range: "Sit still; let jaw, neck and forehead be loose.",
  not_worn: "Put it on, and see that its reference touches.",
  no_baseline: "It passes when this rest is over.",
};

/** {what, remedy} of a reason; a newer service may know one this page does not. */
export const refusalWords = (reason) => ({
  what: REFUSALS[reason] ?? reason,
  remedy: REMEDIES[reason] ?? "",
});

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
    const { what, remedy } = refusalWords(reason);
    write(item, `${count} s: ${what}. ${remedy}`);
  });
}

/** Which reason the seconds since an earlier message were refused for; null where one counted. */
export function refusedSince(earlier, later) {
  if (later.clean_seconds > earlier.clean_seconds) return null;
  const rise = ([reason, count]) => count - (earlier.refused[reason] ?? 0);
  const [most] = Object.entries(later.refused).sort((one, other) => rise(other) - rise(one));
  return most !== undefined && rise(most) > 0 ? most[0] : null;
}
