import type { Inspection } from './inspect.ts';
import type { Line } from './lines.ts';
import { bytesText, countText } from './numbers.ts';

type Row = readonly string[];

/**
 * Keras' `model.summary()`: layer and type, output shape, parameters, and, where the model is no plain chain, what
 * each layer is connected to; then the totals.
 */
export function summaryText({ lines, isSequential, totals }: Inspection): string {
  const heading = ['Layer (type)', 'Output shape', 'Param #'];
  const rows = lines.map((line) => [
    `${line.name} (${line.class})`,
    shapeText(line),
    countText(line.parameters),
  ]);
  const table = isSequential
    ? [heading, ...rows]
    : [
        [...heading, 'Connected to'],
        ...rows.map((row, at) => [...row, connections(lines, lines[at])]),
      ];
  return [
    aligned(table, [2]),
    '',
    `Total params: ${countText(totals.parameters)} (${bytesText(totals.weightBytes)})`,
    `Trainable params: ${countText(totals.trainable)}`,
    `Non-trainable params: ${countText(totals.parameters - totals.trainable)}`,
  ].join('\n');
}

/**
 * The notebook's memory table: output shape, activations for one sample, weights; then the totals and estimates.
 *
 * A 0 under activations says that the layer works in the memory of its input.
 */
export function memoryText(inspection: Inspection): string {
  const { lines, totals, inference, training, batch } = inspection;
  const table = [
    ['Layer', 'Output shape', 'Activations', 'Weights'],
    ...lines.map((line) => [
      line.name,
      shapeText(line),
      line.activations === undefined ? '?' : countText(line.activations),
      countText(line.parameters),
    ]),
    ['Total', '', countText(totals.activations), countText(totals.parameters)],
    ['', '', bytesText(totals.activationBytes), bytesText(totals.weightBytes)],
  ];
  return [
    aligned(table, [2, 3]),
    '',
    `Running a batch of ${batch}: ${bytesText(inference.bytes)} = ${inference.formula}`,
    ...(training
      ? [`Training with a batch of ${batch}: ${bytesText(training.bytes)} = ${training.formula}`]
      : []),
    ...(inference.uncounted > 0
      ? [`Not counted: ${inference.uncounted} outputs whose size the file does not say.`]
      : []),
    'Besides, the runtime itself and the workspace of its kernels take memory.',
  ].join('\n');
}

function connections(lines: readonly Line[], line: Line | undefined): string {
  return (line?.inputs ?? []).flatMap((at) => lines[at]?.name ?? []).join(', ');
}

function shapeText({ shape }: Line): string {
  return shape ? `(${shape.map((dim) => dim ?? 'None').join(', ')})` : '?';
}

/** Columns as wide as their longest text, two spaces apart, the heading underlined. A line feed in a name is spelled. */
function aligned(table: readonly Row[], right: readonly number[]): string {
  const rows = table.map((row) => row.map((text) => text.replaceAll('\n', String.raw`\n`)));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (row: Row): string =>
    row
      .map((text, at) => {
        const width = widths[at] ?? 0;
        return right.includes(at) ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const [heading = '', ...others] = rows.map(line);
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [heading, rule, ...others].join('\n');
}
