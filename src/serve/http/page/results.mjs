import { byId, element, milliseconds, percent } from './elements.mjs';

/** Says that a picture is being looked at; what was there stays, paler. */
export function showBusy() {
  byId('results').setAttribute('aria-busy', 'true');
  byId('spoken').textContent = 'Looking at the photo.';
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
  413: 'The photo is too large',
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
