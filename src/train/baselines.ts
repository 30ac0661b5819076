import { fitLogistic } from './logistic.ts';
import { inOrder, type Rows } from './rows.ts';

/** What a trained model is to be compared with: accuracies on the validation samples. */
export interface Baselines {
  /** Always the class that has most samples to learn from. */
  readonly majority: number;
  /** The nearest neighbours by cosine; `undefined` where there is too much to compare. */
  readonly neighbours: number | undefined;
  /** L2-regularised logistic regression; `undefined` where it would take too long. */
  readonly logistic: number | undefined;
}

/** Rows of features, and the class of each. */
interface Labelled {
  readonly rows: Rows;
  readonly labels: ArrayLike<number>;
}

/** Products beyond which the neighbours are not looked for, and numbers beyond which no regression is fitted. */
const most = { products: 4e9, numbers: 2e7 } as const;

/**
 * Majority class, nearest neighbours and logistic regression on features: instant, and nothing to choose.
 *
 * Rows that are not in memory are read: for the neighbours batch by batch, for the regression all, at most 80 MB, of
 * which it makes twice as much. The numbers are the same.
 */
export async function baselinesOf(
  train: Labelled,
  valid: Labelled,
  { classes, neighbours = 3 }: { readonly classes: number; readonly neighbours?: number },
): Promise<Baselines> {
  const numbers = train.rows.count * train.rows.width;
  return {
    majority: majorityAccuracy(train.labels, valid.labels, classes),
    neighbours:
      numbers * valid.rows.count <= most.products
        ? await nearestAccuracy(train, valid, neighbours)
        : undefined,
    logistic: numbers <= most.numbers ? await logisticAccuracy(train, valid, classes) : undefined,
  };
}

/** Rows that are read at once. */
const readAtOnce = 256;

function batchesOf(rows: Rows): AsyncIterable<Float32Array> {
  return rows.batches({ order: inOrder(rows.count), batchSize: readAtOnce, epoch: 0 });
}

async function wholeOf(rows: Rows): Promise<Float32Array> {
  if (rows.memory) return rows.memory;
  const all = new Float32Array(rows.count * rows.width);
  let at = 0;
  for await (const batch of batchesOf(rows)) {
    all.set(batch, at);
    at += batch.length;
  }
  return all;
}

async function logisticAccuracy(
  train: Labelled,
  valid: Labelled,
  classes: number,
): Promise<number> {
  const { width } = train.rows;
  const features = await wholeOf(train.rows);
  const { predict } = fitLogistic({ features, labels: train.labels, width }, { classes });
  const found: number[] = [];
  for await (const batch of batchesOf(valid.rows)) found.push(...predict(batch));
  return shareOf(Array.from(valid.labels), (label, row) => found[row] === label);
}

function majorityAccuracy(
  train: ArrayLike<number>,
  valid: ArrayLike<number>,
  classes: number,
): number {
  const counts = Array.from({ length: classes }, () => 0);
  for (const label of Array.from(train)) counts[label] = (counts[label] ?? 0) + 1;
  const commonest = counts.indexOf(Math.max(...counts));
  return shareOf(Array.from(valid), (label) => label === commonest);
}

/**
 * Share of rows whose class most of the k training rows with the greatest cosine have.
 *
 * Of equally many, the class of the nearest counts, and of equally near ones the earlier. Memory: `valid`, and a batch.
 */
export async function nearestAccuracy(
  train: Labelled,
  valid: Labelled,
  k: number,
): Promise<number> {
  const { width } = train.rows;
  const asked = unitRows(await wholeOf(valid.rows), width);
  const best = Array.from({ length: valid.rows.count }, (): Near[] => []);
  let first = 0;
  for await (const batch of batchesOf(train.rows)) {
    const known = unitRows(batch, width);
    best.forEach((near, row) => {
      lookThrough(known, asked.subarray(row * width, (row + 1) * width), { near, first, k });
    });
    first += batch.length / width;
  }
  return shareOf(
    Array.from(valid.labels),
    (label, row) =>
      votedClass(
        (best[row] ?? []).map((each) => each.row),
        train.labels,
      ) === label,
  );
}

interface Near {
  readonly row: number;
  readonly product: number;
}

/** Puts rows of the greatest products among the nearest ones so far, the greatest first. */
function lookThrough(
  rows: Float32Array,
  query: Float32Array,
  { near: best, first, k }: { readonly near: Near[]; readonly first: number; readonly k: number },
): void {
  const width = query.length;
  for (let row = 0; row * width < rows.length; row++) {
    let product = 0;
    const at = row * width;
    for (let i = 0; i < width; i++) product += (rows[at + i] ?? 0) * (query[i] ?? 0);
    if (best.length === k && product <= (best.at(-1)?.product ?? 0)) continue;
    const place = best.findIndex((other) => other.product < product);
    best.splice(place < 0 ? best.length : place, 0, { row: first + row, product });
    if (best.length > k) best.pop();
  }
}

function votedClass(rows: readonly number[], labels: ArrayLike<number>): number | undefined {
  const votes = new Map<number, number>();
  for (const row of rows) {
    const label = labels[row] ?? 0;
    votes.set(label, (votes.get(label) ?? 0) + 1);
  }
  const highest = Math.max(...votes.values());
  return [...votes.keys()].find((label) => votes.get(label) === highest);
}

function unitRows(features: Float32Array, width: number): Float32Array {
  const rows = features.slice();
  for (let at = 0; at < rows.length; at += width) {
    const row = rows.subarray(at, at + width);
    const length = Math.hypot(...chunked(row)) || 1;
    for (let i = 0; i < width; i++) row[i] = (row[i] ?? 0) / length;
  }
  return rows;
}

/** Norms of pieces: an argument list has a limit. */
function chunked(row: Float32Array): readonly number[] {
  const pieces: number[] = [];
  for (let at = 0; at < row.length; at += 4096)
    pieces.push(Math.hypot(...row.subarray(at, at + 4096)));
  return pieces;
}

function shareOf(
  labels: readonly number[],
  isRight: (label: number, row: number) => boolean,
): number {
  return labels.filter(isRight).length / labels.length;
}
