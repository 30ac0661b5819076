import { fitLogistic, type LabelledRows } from './logistic.ts';

/** What a trained model is to be compared with: accuracies on the validation samples. */
export interface Baselines {
  /** Always the class that has most samples to learn from. */
  readonly majority: number;
  /** The nearest neighbours by cosine; `undefined` where there is too much to compare. */
  readonly neighbours: number | undefined;
  /** L2-regularised logistic regression; `undefined` where it would take too long. */
  readonly logistic: number | undefined;
}

/** Products beyond which the neighbours are not looked for, and numbers beyond which no regression is fitted. */
const most = { products: 4e9, numbers: 2e7 } as const;

/** Majority class, nearest neighbours and logistic regression on features: instant, and nothing to choose. */
export function baselinesOf(
  train: LabelledRows,
  valid: LabelledRows,
  { classes, neighbours = 3 }: { readonly classes: number; readonly neighbours?: number },
): Baselines {
  const products = train.labels.length * valid.labels.length * train.width;
  return {
    majority: majorityAccuracy(train.labels, valid.labels, classes),
    neighbours: products <= most.products ? nearestAccuracy(train, valid, neighbours) : undefined,
    logistic:
      train.features.length <= most.numbers
        ? fitLogistic(train, { classes }).accuracy(valid)
        : undefined,
  };
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
 * Of equally many, the class of the nearest counts, and of equally near ones the earlier.
 */
export function nearestAccuracy(train: LabelledRows, valid: LabelledRows, k: number): number {
  const [known, asked] = [unitRows(train), unitRows(valid)];
  const { width } = train;
  return shareOf(Array.from(valid.labels), (label, row) => {
    const query = asked.subarray(row * width, (row + 1) * width);
    return votedClass(nearestRows(known, query, k), train.labels) === label;
  });
}

/** Rows of the greatest products, the greatest first. */
function nearestRows(rows: Float32Array, query: Float32Array, k: number): readonly number[] {
  const best: { row: number; product: number }[] = [];
  const width = query.length;
  for (let row = 0; row * width < rows.length; row++) {
    let product = 0;
    const at = row * width;
    for (let i = 0; i < width; i++) product += (rows[at + i] ?? 0) * (query[i] ?? 0);
    if (best.length === k && product <= (best.at(-1)?.product ?? 0)) continue;
    const place = best.findIndex((other) => other.product < product);
    best.splice(place < 0 ? best.length : place, 0, { row, product });
    if (best.length > k) best.pop();
  }
  return best.map(({ row }) => row);
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

function unitRows({ features, width }: LabelledRows): Float32Array {
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
