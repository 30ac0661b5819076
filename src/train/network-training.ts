import { ToolkitError } from '../errors.ts';
import { encodeModel } from '../onnx/write.ts';
import { openSession, type Session, type SessionOptions, type Tensor } from '../runtime/session.ts';
import { type Batch, batchFeeds, maskFeeds, numbersOf, scalar } from './network-feeds.ts';
import { evaluationGraphOf, type NetworkGraph, type StepForm, stepGraph } from './network-graph.ts';
import { isForPieces, parameterSize, piecesOf } from './network-pieces.ts';
import type { NetworkPlan } from './network-plan.ts';
import { statisticsOf } from './network-rebuild.ts';
import type { PieceUpdate } from './piece-update.ts';
import { withDirections } from './recurrent-parameters.ts';
import { numbersFrom } from './weight-numbers.ts';

/** What a step saw, before its own update. */
export interface StepMeasures {
  /** Keras' loss of the batch: the mean over its rows, penalties included. */
  readonly loss: number;
  readonly correct: number;
  /** Rows that are wrong with full confidence. */
  readonly saturated: number;
  readonly count: number;
}

/** One step's rate, before decay, and the seed of its masks. */
export interface StepOptions {
  readonly learningRate: number;
  readonly seed?: number | undefined;
}

/** All that a step changes: parameters and running statistics by name, what the optimizer keeps as `name:slot`. */
export interface TrainingState {
  /** Steps done. */
  readonly iteration: number;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Where and how a network is trained. */
export interface NetworkOptions extends Pick<SessionOptions, 'provider' | 'threads'> {
  /**
   * Where the update is computed. Default: in the graph, but on the CPU piece by piece where there are many parameters,
   * which is faster there.
   */
  readonly update?: StepForm['update'] | undefined;
}

/**
 * Opens the graph of a step; whoever opens it closes it. Weights that are fed are read into memory here.
 *
 * Throws GRADIENT_MISSING, OPTION_INVALID, ONNX_VALUE_UNKNOWN and what `openSession` throws.
 */
export async function openNetworkTraining(
  given: NetworkPlan,
  options: NetworkOptions = {},
): Promise<NetworkTraining> {
  const plan = withDirections(given);
  const provider = options.provider ?? 'cpu';
  const update = options.update ?? (provider === 'cpu' && isForPieces(plan) ? 'pieces' : 'graph');
  const step = stepGraph(plan, { provider, update });
  const session = await openSession(encodeModel(step.graph, { name: 'step' }), {
    ...options,
    spin: false,
  });
  const pieces = update === 'pieces' ? piecesOf(plan, step) : undefined;
  return new NetworkTraining(plan, { step, session, pieces, options });
}

interface Opened {
  readonly step: NetworkGraph;
  readonly session: Session;
  /** Where parameters are updated after the graph, they lie here. */
  readonly pieces: PieceUpdate | undefined;
  readonly options: NetworkOptions;
}

/** A network in training: its numbers, and the graphs that move and judge them. */
export class NetworkTraining {
  readonly #plan: NetworkPlan;
  readonly #opened: Opened;
  /** Everything that is fed by name and does not change with the batch. */
  readonly #tensors = new Map<string, Float32Array>();
  readonly #moved: readonly string[];
  #evaluation: { readonly graph: NetworkGraph; readonly session: Session } | undefined;
  #iteration = 0;

  constructor(plan: NetworkPlan, opened: Opened) {
    this.#plan = plan;
    this.#opened = opened;
    const { graph, parameters, optimizer, batchNormalization: by } = plan;
    const places = opened.pieces?.places;
    for (const [i, { name }] of parameters.entries()) {
      const place = places?.[i];
      const size = parameterSize(plan, name);
      this.#tensors.set(name, place?.numbers ?? new Float32Array(size));
      for (const [at, slot] of optimizer.slots.entries()) {
        const numbers = place?.slots[at] ?? new Float32Array(size).fill(slot.start);
        this.#tensors.set(slotName(name, slot.name), numbers);
      }
    }
    for (const name of opened.step.feeds.fed) {
      this.#tensors.set(name, numbersFrom(graph, name, this.#tensors.get(name)));
    }
    const statistics = by && by !== 'frozen' ? statisticsOf(graph, by) : [];
    this.#moved = [...parameters.map(({ name }) => name), ...statistics];
  }

  /** Trained parameters and running statistics as they are. The arrays change with the next step: copy them to keep them. */
  parameters(): ReadonlyMap<string, Float32Array> {
    return new Map(this.#moved.map((name) => [name, this.#array(name)]));
  }

  /** All that a step changes. The arrays change with the next step: copy them to keep them. */
  state(): TrainingState {
    const slots = this.#slotNames().map((name) => [name, this.#array(name)] as const);
    return { iteration: this.#iteration, tensors: new Map([...this.parameters(), ...slots]) };
  }

  /** Goes back to a state, bit for bit. A tensor that the state lacks stays as it is. */
  load({ iteration, tensors }: TrainingState): void {
    for (const [name, numbers] of tensors) {
      const own = this.#array(name);
      if (own.length !== numbers.length) {
        throw new Error(`Bug: "${name}" has ${own.length} numbers, not ${numbers.length}`);
      }
      own.set(numbers);
    }
    this.#iteration = iteration;
  }

  /**
   * Learns from one batch.
   *
   * Throws OPTION_INVALID for more rows than the plan's batch size, and TRAINING_DIVERGED when the loss is not a number,
   * before anything has changed.
   */
  async step(batch: Batch, { learningRate, seed = 0 }: StepOptions): Promise<StepMeasures> {
    const { step, session, pieces } = this.#opened;
    if (batch.count > this.#plan.batchSize) throw tooManyRows(batch.count, this.#plan.batchSize);
    const scale = 1 / this.#divisor(batch);
    const feeds = {
      ...batchFeeds(step, batch),
      ...maskFeeds(step, batch, seed),
      ...this.#fixedFeeds(step.feeds.fed),
      [step.feeds.scale]: scalar(scale),
      ...(!pieces && {
        [step.feeds.rate]: scalar(learningRate),
        [step.feeds.iteration]: scalar(this.#iteration),
        ...this.#fixedFeeds(step.feeds.slots),
      }),
    };
    const results = await session.run(feeds);
    const measures = this.#measures(step, results, { batch, scale });
    if (!Number.isFinite(measures.loss)) throw diverged(measures.loss, learningRate);
    if (pieces) this.#updatePieces(pieces, results, learningRate);
    else this.#take(step, results);
    for (const [name, output] of step.fetches.statistics) {
      this.#tensors.set(name, numbersOf(results, output));
    }
    this.#iteration += 1;
    return measures;
  }

  /** Judges a batch by the network as it runs: without dropout, by the running statistics. */
  async evaluate(
    batch: Batch,
  ): Promise<Omit<StepMeasures, 'saturated'> & { output: Float32Array }> {
    const { graph, session } = await this.#evaluating();
    const feeds = { ...batchFeeds(graph, batch), ...this.#fixedFeeds(graph.feeds.fed) };
    const results = await session.run(feeds);
    const scale = 1 / this.#divisor(batch);
    const { loss, correct, count } = this.#measures(graph, results, { batch, scale });
    return { loss, correct, count, output: numbersOf(results, graph.fetches.output) };
  }

  /** Frees the graphs; the numbers stay. */
  async close(): Promise<void> {
    const opened = [this.#opened.session, this.#evaluation?.session];
    await Promise.all(opened.map(async (each) => each?.close()));
  }

  async #evaluating(): Promise<{ readonly graph: NetworkGraph; readonly session: Session }> {
    const { options } = this.#opened;
    if (this.#evaluation) return this.#evaluation;
    const graph = evaluationGraphOf(this.#plan, options.provider ?? 'cpu');
    const session = await openSession(encodeModel(graph.graph, { name: 'evaluation' }), {
      ...options,
      spin: false,
    });
    this.#evaluation = { graph, session };
    return this.#evaluation;
  }

  /** Keras 1 divides by the rows that count at all, Keras 3 by all rows. */
  #divisor({ count, weights }: Batch): number {
    if (!weights || this.#plan.optimizer.keras === 3) return count;
    return Math.max(
      1,
      weights.reduce((sum, weight) => sum + (weight === 0 ? 0 : 1), 0),
    );
  }

  #fixedFeeds(names: readonly string[]): Record<string, Tensor> {
    return Object.fromEntries(
      names.map((name): [string, Tensor] => {
        const parameter = this.#plan.parameters.find((each) => name.startsWith(`${each.name}:`));
        const source = this.#plan.graph.initializers.get(parameter?.name ?? name);
        return [name, { dtype: 'float32', shape: source?.shape ?? [], data: this.#array(name) }];
      }),
    );
  }

  #measures(
    { fetches }: NetworkGraph,
    results: Readonly<Record<string, Tensor>>,
    { batch, scale }: { readonly batch: Batch; readonly scale: number },
  ): StepMeasures {
    const one = (name: string): number => numbersOf(results, name)[0] ?? Number.NaN;
    return {
      loss: one(fetches.lossSum) * scale + this.#penalty(),
      correct: one(fetches.correct),
      saturated: one(fetches.saturated),
      count: batch.count,
    };
  }

  /** Σ l1·|p| + l2·p² over the parameters that have penalties. */
  #penalty(): number {
    let sum = 0;
    for (const { name, l1 = 0, l2 = 0 } of this.#plan.parameters) {
      if (l1 === 0 && l2 === 0) continue;
      for (const p of this.#array(name)) sum += l1 * Math.abs(p) + l2 * p * p;
    }
    return sum;
  }

  #updatePieces(
    pieces: PieceUpdate,
    results: Readonly<Record<string, Tensor>>,
    learningRate: number,
  ): void {
    const gradients = this.#opened.step.fetches.gradients.map((found) => {
      if (found === undefined) return undefined;
      if (typeof found === 'string') return numbersOf(results, found);
      return { x: numbersOf(results, found.x), dy: numbersOf(results, found.dy) };
    });
    pieces.update(gradients, { learningRate, iteration: this.#iteration });
  }

  #take({ fetches, feeds }: NetworkGraph, results: Readonly<Record<string, Tensor>>): void {
    this.#plan.parameters.forEach(({ name }, i) => {
      this.#tensors.set(name, numbersOf(results, fetches.parameters[i] ?? ''));
    });
    feeds.slots.forEach((name, i) => {
      this.#tensors.set(name, numbersOf(results, fetches.slots[i] ?? ''));
    });
  }

  #slotNames(): string[] {
    const { parameters, optimizer } = this.#plan;
    return parameters.flatMap(({ name }) =>
      optimizer.slots.map((slot) => slotName(name, slot.name)),
    );
  }

  #array(name: string): Float32Array {
    const array = this.#tensors.get(name);
    if (!array) throw new Error(`Bug: the training has no tensor "${name}"`);
    return array;
  }
}

function slotName(parameter: string, slot: string): string {
  return `${parameter}:${slot}`;
}

function tooManyRows(count: number, most: number): ToolkitError {
  return new ToolkitError(
    'OPTION_INVALID',
    `A batch of at most ${most} rows was expected, but it has ${count}`,
    { hint: 'Give the largest batch as the batch size of the plan.' },
  );
}

function diverged(loss: number, learningRate: number): ToolkitError {
  return new ToolkitError(
    'TRAINING_DIVERGED',
    `The loss is ${loss} at learning rate ${learningRate}, where a finite number was expected`,
    { hint: `Lower the learning rate, to ${learningRate / 10} for a start. Nothing was written.` },
  );
}
