/** The element of that id, which the document has. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new element: `className`, `textContent` and other properties, `aria-…` and `data-…` as attributes, then what it holds. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role') made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

const svgSpace = 'http://www.w3.org/2000/svg';

/** A new element of a drawing. */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Terms and what is said of each; pairs without a text are left out. */
export function facts(pairs, className = 'facts') {
  const known = pairs.filter(([, value]) => value !== undefined && value !== '');
  const groups = known.map(([term, value]) => [
    element('dt', {}, term),
    element('dd', {}, ...[value].flat()),
  ]);
  if (className === 'facts') return element('dl', { className }, ...groups.flat());
  return element('dl', { className }, ...groups.map((group) => element('div', {}, ...group)));
}

/** any × 3, or "one value" for a shape without axes. */
export function shapeText(shape) {
  if (shape.length === 0) return 'one value';
  return shape.map((size) => (size === -1 ? 'any' : size)).join(' × ');
}

const whole = new Intl.NumberFormat('en');
/** 138,357,544 */
export function counted(number) {
  return whole.format(number);
}

/** 1 layer, 38 layers */
export function numbered(number, word) {
  return `${counted(number)} ${word}${number === 1 ? '' : 's'}`;
}

/** 0.42 ms, 5.1 ms, 130 ms, 1.3 s: never more digits than mean something. */
export function milliseconds(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)}\u00A0s`;
  return `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)}\u00A0ms`;
}

/** 527.8 MiB */
export function bytes(count) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 2 ** (10 * power)).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** 93.4%; very small ones are not called nothing. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return '< 0.1%';
  return `${(share * 100).toFixed(1)}%`;
}
