import { byId, counted, drawn, element, facts, milliseconds } from './elements.mjs';

/** How many points the line of requests a second has. */
const points = 60;

/** The numbers of one model as they change: requests, their rate, latency, batch sizes. */
export class Live {
  #rates = [];
  #last;

  /** Begins anew, for another model. */
  clear(text = 'No numbers yet.') {
    this.#rates = [];
    this.#last = undefined;
    byId('live').replaceChildren(element('p', { className: 'empty' }, text));
  }

  /** Shows a snapshot of the server for the model of that name: all its versions together. */
  show({ uptime_seconds: at, models }, name) {
    const versions = models.filter((model) => model.name === name);
    if (versions.length === 0) return;
    const sum = (number) => versions.reduce((total, version) => total + number(version), 0);
    const success = sum(({ requests }) => requests.success);
    const failure = sum(({ requests }) => requests.failure);
    this.#addRate(at, success + failure);
    // The version that has answered most stands for the latencies: percentiles cannot be added.
    const [busiest] = versions.toSorted((a, b) => b.requests.success - a.requests.success);
    byId('live').replaceChildren(
      numbersOf({ success, failure, pending: sum(({ pending }) => pending) }),
      latencyOf(busiest.latency_ms),
      rateLine(this.#rates),
      batchColumns(versions),
    );
  }

  #addRate(at, requests) {
    const last = this.#last;
    // Over less than a second a rate means little.
    if (last && at > last.at && at - last.at < 1) return;
    this.#last = { at, requests };
    // A server that was started again counts from nothing.
    if (!last || at <= last.at || requests < last.requests) return;
    this.#rates.push((requests - last.requests) / (at - last.at));
    if (this.#rates.length > points) this.#rates.shift();
  }
}

function numbersOf({ success, failure, pending }) {
  return facts(
    [
      ['Answered', counted(success)],
      ['Refused', counted(failure)],
      ['Waiting', counted(pending)],
    ],
    'numbers',
  );
}

function timeText(ms) {
  return ms === null ? '–' : milliseconds(ms);
}

function latencyOf({ p50, p90, p99 }) {
  return facts(
    [
      ['Median latency', timeText(p50)],
      ['90% under', timeText(p90)],
      ['99% under', timeText(p99)],
    ],
    'numbers',
  );
}

function rateLine(rates) {
  const now = rates.at(-1) ?? 0;
  const top = Math.max(1, ...rates);
  const step = 100 / (points - 1);
  const start = points - rates.length;
  const place = (rate, i) =>
    `${((start + i) * step).toFixed(2)},${(31 - (rate / top) * 29).toFixed(2)}`;
  const line = rates.map(place).join(' ');
  const area = rates.length > 1 ? `${(start * step).toFixed(2)},32 ${line} 100,32` : '';
  return element(
    'figure',
    {},
    element(
      'figcaption',
      {},
      'Requests a second',
      element('span', {}, now.toFixed(now < 10 ? 1 : 0)),
    ),
    drawn(
      'svg',
      { class: 'spark', viewBox: '0 0 100 32', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      drawn('polygon', { class: 'area', points: area }),
      drawn('polyline', { class: 'stroke', points: line }),
    ),
  );
}

/** Sizes are put together by powers of two where there are too many to draw. */
function batchColumns(versions) {
  const runs = new Map();
  const pairs = versions.flatMap((version) => version.batch_rows);
  const isMany = new Set(pairs.map(([rows]) => rows)).size > 8;
  for (const [rows, count] of pairs) {
    const size = isMany ? 2 ** Math.ceil(Math.log2(rows)) : rows;
    runs.set(size, (runs.get(size) ?? 0) + count);
  }
  const top = Math.max(1, ...runs.values());
  const columns = [...runs]
    .toSorted(([a], [b]) => a - b)
    .map(([rows, count]) => {
      const fill = element('span');
      fill.style.transform = `scaleY(${count / top})`;
      const size = isMany && rows > 2 ? `${rows / 2 + 1}–${rows}` : String(rows);
      const said = `${counted(count)} ${count === 1 ? 'run' : 'runs'} of ${size}`;
      return element(
        'li',
        { 'aria-label': said },
        counted(count),
        element('div', { className: 'column' }, fill),
        size,
      );
    });
  const caption = element('figcaption', {}, 'Runs by batch size');
  return element('figure', {}, caption, element('ol', { className: 'batches' }, ...columns));
}
