import type { DataFormat } from './legacy.ts';
import type { ChainRecipe } from './recipes.ts';
import type { StoredLayer } from './stored.ts';

/** How a recipe fits the shapes of a file. */
export interface Fit {
  readonly dataFormat: DataFormat;
  /** Side of the image in pixels. */
  readonly size: number;
  /** Value of each width ("$block1") of the recipe. */
  readonly widths: ReadonlyMap<string, number>;
  readonly evidence: string;
}

interface Progress {
  readonly dataFormat: DataFormat;
  readonly widths: Map<string, number>;
  /** What flows: channels before Flatten, features after. */
  channels: number;
  size: number | undefined;
  evidence: string;
}

/** Follows the channels through a recipe's layers and the shapes that the file has for them; a reason where they part. */
export function fitShapes(
  recipe: ChainRecipe,
  held: readonly (StoredLayer | undefined)[],
  dataFormat: DataFormat,
): Fit | { readonly reason: string } {
  const progress: Progress = {
    dataFormat,
    widths: new Map(),
    channels: recipe.input.channels,
    size: undefined,
    evidence: '',
  };
  for (const [i, layer] of recipe.layers.entries()) {
    const shapes = held[i]?.weights.map((weight) => weight.source.shape) ?? [];
    const reason = step(progress, { recipe, layer, shapes });
    if (reason !== undefined) {
      const found = shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ');
      return { reason: `${layer.name} (${layer.class}) ${reason}, the file has ${found}` };
    }
  }
  const { widths, size, evidence } = progress;
  return size === undefined
    ? { reason: 'the image size cannot be found' }
    : { dataFormat, widths, size, evidence };
}

interface Step {
  readonly recipe: ChainRecipe;
  readonly layer: ChainRecipe['layers'][number];
  readonly shapes: readonly (readonly number[])[];
}

/** One layer; what it expected when the shapes do not fit. */
function step(progress: Progress, { recipe, layer, shapes }: Step): string | undefined {
  switch (layer.class) {
    case 'Conv2D':
      return convolution(progress, layer.config, shapes);
    case 'Dense':
      return dense(progress, { recipe, layer, shapes });
    case 'BatchNormalization': {
      const wanted = Array.from({ length: 4 }, () => [progress.channels]);
      return expectShapes(wanted, shapes);
    }
    default:
      return undefined;
  }
}

function convolution(
  progress: Progress,
  config: Readonly<Record<string, unknown>>,
  shapes: readonly (readonly number[])[],
): string | undefined {
  const filters = bind(progress, config['filters'], shapes[1]?.[0]);
  const size: unknown = config['kernel_size'];
  const [rows = 0, columns = 0] = Array.isArray(size) ? size.map(Number) : [];
  const { channels } = progress;
  progress.channels = filters;
  const kernel =
    progress.dataFormat === 'channels_first'
      ? [filters, channels, rows, columns]
      : [rows, columns, channels, filters];
  return expectShapes([kernel, [filters]], shapes);
}

/** The first Dense after the convolutions has a row for each channel of each cell of the last map: a square. */
function dense(progress: Progress, { recipe, layer, shapes }: Step): string | undefined {
  const rows = shapes[0]?.[0] ?? 0;
  if (progress.size === undefined) {
    const cells = rows / progress.channels;
    const side = Math.sqrt(cells);
    if (!Number.isInteger(side) || side === 0) {
      return `needs a square number of ${progress.channels} rows`;
    }
    progress.size = side * recipe.input.pixelsPerCell;
    progress.evidence = `${layer.name} has ${rows} rows = ${progress.channels} channels of ${side}x${side}`;
    progress.channels = rows;
  }
  const units = bind(progress, layer.config['units'], shapes[1]?.[0]);
  const wanted = [[progress.channels, units], [units]];
  progress.channels = units;
  return expectShapes(wanted, shapes);
}

/** The value of a width: what it was found to be before, else what the file has here. */
function bind(progress: Progress, wanted: unknown, found: number | undefined): number {
  if (typeof wanted === 'number') return wanted;
  const name = String(wanted);
  const value = progress.widths.get(name) ?? found ?? 0;
  progress.widths.set(name, value);
  return value;
}

function expectShapes(
  wanted: readonly (readonly number[])[],
  found: readonly (readonly number[])[],
): string | undefined {
  if (String(wanted) === String(found) && wanted.length === found.length) return undefined;
  return `needs ${wanted.map((shape) => `[${shape.join(', ')}]`).join(' and ')}`;
}
