import { byId, counted, element, milliseconds, numbered, percent, shapeText } from './elements.mjs';

/** Says that something is being looked at; what was there stays, paler. */
export function showBusy(text = 'Looking at the photo.') {
  byId('results').setAttribute('aria-busy', 'true');
  byId('spoken').textContent = text;
}

/** The classes of a picture, best first, and where the time went. */
export function showResult({ predictions, is_distribution: isDistribution, timing }, roundTripMs) {
  const [best] = predictions;
  const share = ({ probability }) =>
    isDistribution ? percent(probability) : probability.toFixed(3);
  replace(
    element(
      'p',
      { className: 'best' },
      element('span', {}, best.label),
      element('span', { className: 'share' }, share(best)),
    ),
    element('ol', { className: 'bars' }, ...predictions.map((one) => bar(one, share(one)))),
    element('p', { className: 'timing' }, timingText(timing, roundTripMs)),
    ...(isDistribution
      ? []
      : [element('p', { className: 'note' }, 'These are scores: they need not sum to 1.')]),
  );
  byId('spoken').textContent = `${best.label}, ${share(best)}.`;
}

/** What came of a request for numbers: the outputs, cut short where there are many. */
export function showOutputs({ outputs }, roundTripMs) {
  const shown = outputs.flatMap(({ name, datatype, shape, data }) => {
    const rest = data.length - mostShown;
    const text = JSON.stringify(data.slice(0, mostShown)).slice(1, -1).replaceAll(',', ', ');
    return [
      element('h3', {}, element('code', {}, name), ` ${datatype} ${shapeText(shape)}`),
      element('p', { className: 'values' }, text, rest > 0 ? ` and ${counted(rest)} more` : ''),
    ];
  });
  const time = element(
    'p',
    { className: 'timing' },
    `${milliseconds(roundTripMs)} with the way there and back.`,
  );
  replace(...shown, time);
  byId('spoken').textContent = `${numbered(outputs.length, 'output')}.`;
}

/** Values of an output that are shown. */
const mostShown = 200;

function bar({ label, probability }, share) {
  const fill = element('div', { className: 'fill' });
  fill.style.transform = `scaleX(${Math.min(1, Math.max(0, probability))})`;
  return element(
    'li',
    {},
    element(
      'div',
      { className: 'row' },
      element('span', { className: 'label' }, label),
      element('span', { className: 'share' }, share),
    ),
    element('div', { className: 'track', 'aria-hidden': 'true' }, fill),
  );
}

function timingText(timing, roundTripMs) {
  const parts = [
    ['queue', timing.queue_ms],
    ['decoding', timing.decode_ms],
    ['model', timing.compute_ms],
  ].map(([name, ms]) => `${name} ${milliseconds(ms)}`);
  return `${milliseconds(timing.total_ms)} in the server (${parts.join(', ')}), ${milliseconds(roundTripMs)} with the way there and back.`;
}

const titles = {
  0: 'No connection',
  401: 'A key is needed',
  404: 'This model is not there',
  413: 'This is too large',
  429: 'The server is busy',
  503: 'The server is busy',
  504: 'It took too long',
};

/** What went wrong, in the server's own words. */
export function showFault({ status, message }) {
  replace(
    element(
      'div',
      { className: 'fault', role: 'alert' },
      element('strong', {}, titles[status] ?? 'This did not work'),
      message,
    ),
  );
  byId('spoken').textContent = '';
}

/** Nothing yet. */
export function showNothing(text) {
  const ghosts = Array.from({ length: 5 }, () => element('span'));
  replace(
    element('p', { className: 'empty' }, text),
    element('div', { className: 'ghosts', 'aria-hidden': 'true' }, ...ghosts),
  );
  byId('spoken').textContent = '';
}

function replace(...children) {
  const results = byId('results');
  results.replaceChildren(...children);
  results.setAttribute('aria-busy', 'false');
}
