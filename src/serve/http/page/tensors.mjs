import { byId, counted, element, facts, shapeText } from './elements.mjs';
import { asksWithKey, modelPath } from './server.mjs';

/** More numbers than this are no text that anyone edits. */
const mostWritten = 256;

let onAsk = () => undefined;

/** What is done with a request that is sent: it gets the text. */
export function takeRequests(ask) {
  onAsk = ask;
}

/** Shows what a model without pictures takes, and a request for it that can be changed and sent. */
export function showTensors({ name, inputs, outputs }) {
  const sizes = inputs.map(({ shape }) => sample(shape).reduce((all, size) => all * size, 1));
  const isWritten =
    sizes.every((size) => size <= mostWritten) &&
    !inputs.some(({ datatype }) => datatype === 'FP16');
  byId('tensors-asked').replaceChildren(
    facts([
      ['Takes', inputs.map(port)],
      ['Gives', outputs.map(port)],
    ]),
    ...(isWritten ? written(name, requestFor(inputs)) : unwritten(name, inputs, sizes)),
  );
}

function port({ name, datatype, shape }) {
  return element('div', {}, element('code', {}, name), ` ${datatype} ${shapeText(shape)}`);
}

/** The least that fits a shape: one where any size does. */
function sample(shape) {
  return shape.map((size) => (size === -1 ? 1 : size));
}

const zeros = { BYTES: 'text', BOOL: false };

/** A request as JSON, an input a line. */
function requestFor(inputs) {
  const lines = inputs.map(({ name, datatype, shape }) => {
    const size = sample(shape);
    const count = size.reduce((all, one) => all * one, 1);
    const value = JSON.stringify(zeros[datatype] ?? 0);
    const data = Array.from({ length: count }, () => value).join(', ');
    const about = `"name": ${JSON.stringify(name)}, "shape": [${size.join(', ')}], "datatype": "${datatype}"`;
    return `  {${about}, "data": [${data}]}`;
  });
  return `{"inputs": [\n${lines.join(',\n')}\n]}`;
}

function written(name, text) {
  const area = element('textarea', { id: 'request', spellcheck: false, rows: 7 });
  area.value = text;
  const shown = element('code', {}, curlOf(name, text));
  area.addEventListener('input', () => {
    shown.textContent = curlOf(name, area.value);
  });
  const form = element(
    'form',
    {},
    element('label', { htmlFor: 'request' }, 'Request'),
    area,
    element('div', { className: 'actions' }, element('button', { className: 'first' }, 'Send')),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    onAsk(area.value);
  });
  return [form, ...lineOf(shown)];
}

/** By bytes, which a client of the protocol sends; a single input can be a file. */
function unwritten(name, inputs, sizes) {
  const numbers = counted(sizes.reduce((all, size) => all + size, 0));
  const why = `A request has ${numbers} numbers or more: send them as bytes, with a client of the protocol`;
  if (inputs.length !== 1) return [element('p', { className: 'hint' }, `${why}.`)];
  const [{ datatype }] = inputs;
  const hint = `${why}, or from a file of ${datatype} in the order of the shape.`;
  const lines = [
    'curl --data-binary @input.bin',
    ' -H "Inference-Header-Content-Length: 0"',
    ...keyLine(),
    ` ${urlOf(name)}`,
  ];
  return [
    element('p', { className: 'hint' }, hint),
    ...lineOf(element('code', {}, lines.join(' \\\n'))),
  ];
}

function curlOf(name, text) {
  const body = text.replaceAll("'", String.raw`'\''`);
  return [`curl ${urlOf(name)}`, ...keyLine(), ` -d '${body}'`].join(' \\\n');
}

const urlOf = (name) => `${location.origin}${modelPath(name, '/infer')}`;
const keyLine = () => (asksWithKey() ? [' -H "Authorization: Bearer $KEY"'] : []);

/** A line for a terminal, to be copied. */
function lineOf(code) {
  const copy = element('button', { type: 'button' }, 'Copy');
  copy.addEventListener('click', () => void copied(copy, code.textContent));
  // Browsers give pages the clipboard on this machine and over TLS only.
  copy.hidden = !navigator.clipboard;
  return [
    element('div', { className: 'line-head' }, element('span', {}, 'In a terminal'), copy),
    element('pre', {}, code),
  ];
}

async function copied(button, text) {
  await navigator.clipboard.writeText(text);
  button.textContent = 'Copied';
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 2000);
}
