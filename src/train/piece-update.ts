import { FunctionMemory, floatBytes, mostBytes } from './fused/memory.ts';
import { product, productRows } from './fused/product.ts';
import { type UpdateRule, updateRule } from './fused/rule.ts';
import { isPiecewise, limitNorms } from './norm-limits.ts';
import type { Optimizer } from './optimizers.ts';
import type { ParameterSettings } from './update.ts';

/** The two matrices of which a kernel's gradient is the product xᵀ · dy, ordered for `product`. */
interface Factors {
  /** [rows / 4, n, 4]. */
  readonly x: Float32Array;
  /** [columns / 8, n, 8]. */
  readonly dy: Float32Array;
}

/** A parameter that is moved: how, and how many numbers it has. */
export interface Moving {
  readonly settings: ParameterSettings;
  readonly size: number;
  /** The matrix that it is, if its gradient is given by its factors. */
  readonly matrix?: { readonly rows: number; readonly columns: number } | undefined;
}

/** Which step it is, and its rate before decay. */
interface StepTime {
  readonly learningRate: number;
  /** Steps done before. */
  readonly iteration: number;
}

/** Where a parameter lies, and what the optimizer keeps of it. */
interface Place {
  readonly moving: Moving;
  readonly numbers: Float32Array;
  readonly slots: readonly Float32Array[];
}

/** Numbers of a whole gradient that are used at once: 64 KiB, which stay in the processor's cache. */
const pieceSize = 2 ** 14;

/** Whether a parameter of so many numbers, with what the optimizer keeps of it, can be updated here: about 4 GiB can. */
export function isInReach(optimizer: Optimizer, size: number): boolean {
  return bytesOf(optimizer, size) <= mostForParameters;
}

/** Addresses reach some more, for gradients that pass by. */
const mostForParameters = mostBytes - 2 ** 28;

function bytesOf({ slots }: Optimizer, size: number): number {
  return (1 + slots.length) * floatBytes(size);
}

/**
 * Holds parameters and what the optimizer keeps of them, and updates them in place, a few kilobytes after the other.
 *
 * The nodes of `applyOptimizer` become one loop, which passes through memory once. Run by onnxruntime, a large matrix
 * passes through memory for each node, and its new numbers are put out twice, once in onnxruntime's memory and once in
 * ours. A gradient that is given by its factors is never whole.
 */
export class PieceUpdate {
  readonly #optimizer: Optimizer;
  readonly #groups: readonly Group[];

  /** For batches of at most `batchSize` rows; each of the parameters must be in reach. */
  constructor(optimizer: Optimizer, parameters: readonly Moving[], batchSize: number) {
    this.#optimizer = optimizer;
    this.#groups = parted(optimizer, parameters).map(
      (some) => new Group(optimizer, some, batchSize),
    );
  }

  /** The parameters and their slots, in the order given; the arrays stay the same and are updated. */
  get places(): readonly Place[] {
    return this.#groups.flatMap(({ places }) => places);
  }

  /** One update, by gradients in the order of the parameters, which may be overwritten; without one nothing moves. */
  update(gradients: readonly (Float32Array | Factors | undefined)[], time: StepTime): void {
    const limited = isPiecewise(this.#optimizer) ? gradients : this.#limited(gradients);
    let at = 0;
    for (const group of this.#groups) {
      for (const place of group.places) {
        const gradient = limited[at++];
        if (gradient) group.update(place, gradient, time);
      }
    }
  }

  #limited(
    gradients: readonly (Float32Array | Factors | undefined)[],
  ): readonly (Float32Array | undefined)[] {
    const known = this.places.flatMap(({ numbers, moving: { settings } }, i) => {
      const gradient = gradients[i];
      if (gradient && 'x' in gradient) {
        throw new Error('Bug: a gradient that is limited by norm must be whole');
      }
      return gradient ? [{ settings, numbers, gradient }] : [];
    });
    const limited = limitNorms(this.#optimizer, known);
    let at = 0;
    return gradients.map((gradient) => gradient && limited[at++]);
  }
}

/** Neighbours that one memory can hold. */
function parted(
  optimizer: Optimizer,
  parameters: readonly Moving[],
): readonly (readonly Moving[])[] {
  const parts: Moving[][] = [[]];
  let bytes = 0;
  for (const moving of parameters) {
    const own = bytesOf(optimizer, moving.size);
    bytes += own;
    if (bytes > mostForParameters) {
      parts.push([]);
      bytes = own;
    }
    parts.at(-1)?.push(moving);
  }
  return parts;
}

/** Parameters of one memory. */
class Group {
  readonly places: readonly Place[];
  readonly #optimizer: Optimizer;
  readonly #memory: FunctionMemory;
  readonly #gradient: Float32Array;
  readonly #x: Float32Array;
  readonly #dy: Float32Array;
  readonly #product: (...numbers: number[]) => void;
  readonly #rules = new Map<string, CompiledRule>();

  constructor(optimizer: Optimizer, parameters: readonly Moving[], batchSize: number) {
    this.#optimizer = optimizer;
    const matrices = parameters.flatMap(({ matrix }) => matrix ?? []);
    const rows = Math.max(0, ...matrices.map((matrix) => matrix.rows));
    const columns = Math.max(0, ...matrices.map((matrix) => matrix.columns));
    const passing = [
      Math.max(pieceSize, productRows * columns),
      rows * batchSize,
      columns * batchSize,
    ] as const;
    const sizes = parameters.map(({ size }) => bytesOf(optimizer, size));
    const bytes = [...sizes, ...passing.map(floatBytes)].reduce((sum, each) => sum + each, 0);
    this.#memory = new FunctionMemory(bytes);
    this.places = parameters.map((moving) => ({
      moving,
      numbers: this.#memory.floats(moving.size),
      slots: optimizer.slots.map(({ start }) => {
        const slot = this.#memory.floats(moving.size);
        return start === 0 ? slot : slot.fill(start);
      }),
    }));
    this.#gradient = this.#memory.floats(passing[0]);
    this.#x = this.#memory.floats(passing[1]);
    this.#dy = this.#memory.floats(passing[2]);
    this.#product = this.#memory.function(product);
  }

  update(place: Place, gradient: Float32Array | Factors, time: StepTime): void {
    const { settings } = place.moving;
    const { rule, run } = this.#ruleOf(settings);
    const scalars = rule.scalars({
      ...time,
      learningRate: time.learningRate * (settings.rate ?? 1),
    });
    const arrays = [place.numbers, ...place.slots];
    const move = (from: number, count: number): void => {
      const addresses = arrays.map(({ byteOffset }) => byteOffset + 4 * from);
      // Numbers behind the last one of an array take part up to a multiple of 4; nobody reads them.
      run(...addresses, this.#gradient.byteOffset, 16 * Math.ceil(count / 4), ...scalars);
    };
    if ('x' in gradient) this.#byFactors(place, gradient, move);
    else this.#byPieces(gradient, move);
  }

  #byPieces(gradient: Float32Array, move: Move): void {
    for (let from = 0; from < gradient.length; from += pieceSize) {
      const piece = gradient.subarray(from, from + pieceSize);
      this.#gradient.set(piece);
      move(from, piece.length);
    }
  }

  #byFactors({ moving: { matrix } }: Place, { x, dy }: Factors, move: Move): void {
    if (!matrix) throw new Error('Bug: only the gradient of a matrix has factors');
    const { rows, columns } = matrix;
    const count = x.length / rows;
    this.#x.set(x);
    this.#dy.set(dy);
    const [to, dyAt] = [this.#gradient.byteOffset, this.#dy.byteOffset];
    for (let row = 0; row < rows; row += productRows) {
      this.#product(this.#x.byteOffset + 4 * row * count, dyAt, to, count, 4 * columns);
      move(row * columns, productRows * columns);
    }
  }

  /** Parameters with equal settings share a rule; their rates are numbers given to it. */
  #ruleOf({ l1 = 0, l2 = 0, decay = true }: ParameterSettings): CompiledRule {
    const settings = isPiecewise(this.#optimizer) ? { l1, l2, decay } : { decay };
    const key = JSON.stringify(settings);
    const known = this.#rules.get(key);
    if (known) return known;
    const rule = updateRule(this.#optimizer, settings);
    const compiled = { rule, run: this.#memory.function(rule.loop) };
    this.#rules.set(key, compiled);
    return compiled;
  }
}

type Move = (from: number, count: number) => void;

interface CompiledRule {
  readonly rule: UpdateRule;
  readonly run: (...numbers: number[]) => void;
}
