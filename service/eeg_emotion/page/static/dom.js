// Elements made in one go. Children are elements or text, never markup.

export function part(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button that submits nothing. */
export function button(text, onClick) {
  const made = part("button", { type: "button" }, text);
  made.addEventListener("click", onClick);
  return made;
}

/** Only a real change touches the DOM: screen readers announce live regions on every write. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
