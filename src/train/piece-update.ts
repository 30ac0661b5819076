import { GraphBuilder } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import { openSession, type Session, type SessionOptions, type Tensor } from '../runtime/session.ts';
import type { Optimizer } from './optimizers.ts';
import { applyOptimizer, type ParameterSettings } from './update.ts';

/** The two matrices of which a kernel's gradient is the product xᵀ · dy: x [n, rows], dy [n, columns]. */
interface Factors {
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/** A parameter, its gradient, which may be overwritten, and what the optimizer keeps of it: arrays of one length. */
export interface MovingParameter {
  readonly settings: ParameterSettings;
  readonly numbers: Float32Array;
  readonly gradient: Float32Array | Factors;
  readonly slots: readonly Float32Array[];
}

/** Which step it is, and its rate before decay. */
interface StepTime {
  readonly learningRate: number;
  /** Steps done before. */
  readonly iteration: number;
}

/** Numbers a piece: 1 MiB, so that what the nodes of an update hand on stays in the processor's cache. */
const pieceSize = 2 ** 18;

/** Whether each number moves by its own gradient alone, so that a gradient need not be whole at any time. */
export function isPiecewise({ clipnorm, globalClipnorm }: Optimizer): boolean {
  return clipnorm === undefined && globalClipnorm === undefined;
}

/**
 * Updates parameters in place, a piece after the other, each by a run of the nodes of `applyOptimizer`.
 *
 * As nodes of one graph a large matrix would pass through memory for each operation, and its new numbers would be put
 * out twice, once in onnxruntime's memory and once in ours: for 25,088 × 4,096 and Adam that takes ten times as long.
 * A gradient that is given by its factors is never whole. Whoever opens it closes it.
 */
export class PieceUpdate {
  readonly #optimizer: Optimizer;
  readonly #options: Pick<SessionOptions, 'threads'>;
  readonly #graphs = new Map<string, Promise<PieceGraph>>();

  constructor(optimizer: Optimizer, options: Pick<SessionOptions, 'threads'>) {
    this.#optimizer = optimizer;
    this.#options = options;
  }

  /** One update of all parameters: gradients are limited by norm first, as all of them must be known for that. */
  async update(moving: readonly MovingParameter[], time: StepTime): Promise<void> {
    const limited = isPiecewise(this.#optimizer) ? moving : limitNorms(this.#optimizer, moving);
    for (const each of limited) await this.#updateOne(each, time);
  }

  /** Frees the graphs. */
  async close(): Promise<void> {
    const graphs = await Promise.all(this.#graphs.values());
    this.#graphs.clear();
    await Promise.all(graphs.map(({ session }) => session.close()));
  }

  async #updateOne(moving: MovingParameter, { learningRate, iteration }: StepTime): Promise<void> {
    const { numbers, gradient, slots, settings } = moving;
    const graph = await this.#graphOf(moving);
    const columns = 'x' in gradient ? gradient.columns : 1;
    const step = Math.max(1, Math.floor(pieceSize / columns)) * columns;
    const feeds = {
      [graph.rate]: scalar(learningRate * (settings.rate ?? 1)),
      [graph.iteration]: scalar(iteration),
    };
    for (let from = 0; from < numbers.length; from += step) {
      const to = Math.min(numbers.length, from + step);
      const shape = 'x' in gradient ? [(to - from) / columns, columns] : [to - from];
      const arrays = [numbers, ...slots].map((all) => all.subarray(from, to));
      const results = await graph.session.run({
        ...feeds,
        ...gradientFeeds(gradient, from, to),
        ...Object.fromEntries(
          graph.moved.map((name, i): [string, Tensor] => {
            return [name, { dtype: 'float32', shape, data: arrays[i] ?? new Float32Array(0) }];
          }),
        ),
      });
      graph.results.forEach((name, i) => {
        const data = results[name]?.data;
        if (data instanceof Float32Array) arrays[i]?.set(data);
      });
    }
  }

  /** Parameters with equal settings share a graph; their rates are fed. */
  async #graphOf({ gradient, settings }: MovingParameter): Promise<PieceGraph> {
    const { l1 = 0, l2 = 0, decay = true } = settings;
    const isFactored = 'x' in gradient;
    const key = JSON.stringify([l1, l2, decay, isFactored]);
    const known = this.#graphs.get(key);
    if (known) return known;
    const optimizer = { ...this.#optimizer, clipnorm: undefined, globalClipnorm: undefined };
    const opened = openPiece(optimizer, { l1, l2, decay }, { isFactored, ...this.#options });
    this.#graphs.set(key, opened);
    return opened;
  }
}

interface PieceGraph {
  readonly session: Session;
  readonly rate: string;
  readonly iteration: string;
  /** The parameter and its slots, as they go in and as they come out. */
  readonly moved: readonly string[];
  readonly results: readonly string[];
}

async function openPiece(
  optimizer: Optimizer,
  settings: ParameterSettings,
  { isFactored, ...options }: { readonly isFactored: boolean } & Pick<SessionOptions, 'threads'>,
): Promise<PieceGraph> {
  const graph = new GraphBuilder();
  const shape = isFactored ? ['rows', 'columns'] : ['count'];
  const gradient = isFactored
    ? graph.add(
        'Gemm',
        [
          graph.input('x', 'float32', ['n', 'rows']),
          graph.input('dy', 'float32', ['n', 'columns']),
        ],
        { transA: 1 },
      )
    : graph.input('gradient', 'float32', shape);
  const parameter = graph.input('parameter', 'float32', shape);
  const slots = optimizer.slots.map(({ name }) => graph.input(`slot ${name}`, 'float32', shape));
  const rate = graph.input('rate', 'float32', []);
  const iteration = graph.input('iteration', 'float32', []);
  const updated = applyOptimizer(graph, optimizer, {
    parameters: [parameter],
    gradients: [gradient],
    slots,
    rate,
    iteration,
    settings: [settings],
  });
  const results = [...updated.parameters, ...updated.slots];
  for (const value of results) graph.output(value);
  const bytes = encodeModel(graph, { name: 'update' });
  return {
    session: await openSession(bytes, { ...options, spin: false }),
    rate: rate.name,
    iteration: iteration.name,
    moved: [parameter, ...slots].map(({ name }) => name),
    results: results.map(({ name }) => name),
  };
}

function gradientFeeds(
  gradient: Float32Array | Factors,
  from: number,
  to: number,
): Record<string, Tensor> {
  if (!('x' in gradient)) {
    const data = gradient.subarray(from, to);
    return { gradient: { dtype: 'float32', shape: [to - from], data } };
  }
  const { x, dy, rows, columns } = gradient;
  const count = x.length / rows;
  const [first, last] = [from / columns, to / columns];
  const part = new Float32Array(count * (last - first));
  for (let row = 0; row < count; row++) {
    part.set(x.subarray(row * rows + first, row * rows + last), row * (last - first));
  }
  return {
    x: { dtype: 'float32', shape: [count, last - first], data: part },
    dy: { dtype: 'float32', shape: [count, columns], data: dy },
  };
}

function scalar(number: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(number) };
}

/** Penalties are added, and then gradients made shorter: each by its own norm, or all as one vector. */
function limitNorms(
  { clipnorm, globalClipnorm }: Optimizer,
  moving: readonly MovingParameter[],
): readonly MovingParameter[] {
  const gradients = moving.map(withPenalties);
  if (globalClipnorm !== undefined) limit(gradients, globalClipnorm);
  if (clipnorm !== undefined) for (const gradient of gradients) limit([gradient], clipnorm);
  return moving.map((each, i) => ({
    ...each,
    settings: { ...each.settings, l1: 0, l2: 0 },
    gradient: gradients[i] ?? each.gradient,
  }));
}

function withPenalties({ settings, numbers, gradient }: MovingParameter): Float32Array {
  if ('x' in gradient) throw new Error('Bug: a gradient that is limited by norm must be whole');
  const { l1 = 0, l2 = 0 } = settings;
  if (l1 === 0 && l2 === 0) return gradient;
  return gradient.map((g, i) => {
    const p = numbers[i] ?? 0;
    return g + 2 * l2 * p + l1 * Math.sign(p);
  });
}

function limit(gradients: readonly Float32Array[], most: number): void {
  let squares = 0;
  for (const gradient of gradients) for (const g of gradient) squares += g * g;
  const norm = Math.sqrt(squares);
  if (norm <= most) return;
  for (const gradient of gradients) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = ((gradient[i] ?? 0) * most) / norm;
  }
}
