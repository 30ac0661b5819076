import { ToolkitError } from '../errors.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import { openSession, type Session, type SessionOptions, type Tensor } from '../runtime/session.ts';
import { dtypeBytes, sizeOf, type TensorSource } from '../tensor.ts';
import { type MovingArrays, updateArrays } from './array-update.ts';
import {
  evaluationGraphOf,
  type NetworkGraph,
  type NetworkPlan,
  type StepForm,
  statisticsOf,
  stepGraph,
} from './network.ts';
import { widthOf } from './network-loss.ts';
import { OuterGradient } from './outer-gradient.ts';
import { dropoutMask, streamSeed } from './random.ts';

/** Rows to learn from, or to be judged by. */
export interface Batch {
  /** For each input of the network `count` rows. */
  readonly inputs: readonly Float32Array[];
  /** [count, K], or class numbers [count] for a loss that takes those. */
  readonly targets: Float32Array | BigInt64Array;
  readonly count: number;
  /** What each row counts; 1 by default. */
  readonly weights?: Float32Array | undefined;
}

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
  /** Where the update is computed. Default: over arrays on the CPU, which is faster there, and in the graph elsewhere. */
  readonly update?: StepForm['update'] | undefined;
}

/**
 * Opens the graph of a step; whoever opens it closes it. Weights that are fed are read into memory here.
 *
 * Throws GRADIENT_MISSING, OPTION_INVALID, ONNX_VALUE_UNKNOWN and what `openSession` throws.
 */
export async function openNetworkTraining(
  plan: NetworkPlan,
  options: NetworkOptions = {},
): Promise<NetworkTraining> {
  const provider = options.provider ?? 'cpu';
  const update = options.update ?? (provider === 'cpu' ? 'arrays' : 'graph');
  const step = stepGraph(plan, { provider, update });
  const session = await openSession(encodeModel(step.graph, { name: 'step' }), options);
  const isFactored = step.fetches.gradients.some((gradient) => typeof gradient === 'object');
  try {
    const outer = isFactored ? await OuterGradient.open(options) : undefined;
    return new NetworkTraining(plan, { step, session, outer, update, options });
  } catch (error) {
    await session.close();
    throw error;
  }
}

interface Opened {
  readonly step: NetworkGraph;
  readonly session: Session;
  readonly outer: OuterGradient | undefined;
  readonly update: StepForm['update'];
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
    for (const name of opened.step.feeds.fed) this.#tensors.set(name, numbersFrom(graph, name));
    for (const { name } of parameters) {
      const size = this.#array(name).length;
      for (const slot of optimizer.slots) {
        this.#tensors.set(slotName(name, slot.name), new Float32Array(size).fill(slot.start));
      }
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

  /** Goes back to a state, bit for bit; takes over its arrays. A tensor that the state lacks stays as it is. */
  load({ iteration, tensors }: TrainingState): void {
    for (const [name, numbers] of tensors) {
      if (this.#array(name).length !== numbers.length) {
        throw new Error(
          `Bug: "${name}" has ${this.#array(name).length} numbers, not ${numbers.length}`,
        );
      }
      this.#tensors.set(name, numbers);
    }
    this.#iteration = iteration;
  }

  /**
   * Learns from one batch.
   *
   * Throws TRAINING_DIVERGED when the loss is not a number, before anything has changed.
   */
  async step(batch: Batch, { learningRate, seed = 0 }: StepOptions): Promise<StepMeasures> {
    const { step, session, update } = this.#opened;
    const scale = 1 / this.#divisor(batch);
    const feeds = {
      ...this.#batchFeeds(step, batch),
      ...this.#maskFeeds(step, batch.count, seed),
      [step.feeds.scale]: scalar(scale),
      ...(update === 'graph' && {
        [step.feeds.rate]: scalar(learningRate),
        [step.feeds.iteration]: scalar(this.#iteration),
        ...this.#fixedFeeds(step.feeds.slots),
      }),
    };
    const results = await session.run(feeds);
    const measures = this.#measures(step, results, { batch, scale });
    if (!Number.isFinite(measures.loss)) throw diverged(measures.loss, learningRate);
    if (update === 'graph') this.#take(step, results);
    else await this.#updateArrays(step, results, learningRate);
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
    const results = await session.run(this.#batchFeeds(graph, batch));
    const scale = 1 / this.#divisor(batch);
    const { loss, correct, count } = this.#measures(graph, results, { batch, scale });
    return { loss, correct, count, output: numbersOf(results, graph.fetches.output) };
  }

  /** Frees the graphs; the numbers stay. */
  async close(): Promise<void> {
    const { session, outer } = this.#opened;
    const opened = [session, outer, this.#evaluation?.session];
    await Promise.all(opened.map((each) => each?.close()));
  }

  async #evaluating(): Promise<{ readonly graph: NetworkGraph; readonly session: Session }> {
    const { options } = this.#opened;
    if (this.#evaluation) return this.#evaluation;
    const graph = evaluationGraphOf(this.#plan, options.provider ?? 'cpu');
    const session = await openSession(encodeModel(graph.graph, { name: 'evaluation' }), options);
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

  #batchFeeds({ feeds }: NetworkGraph, batch: Batch): Record<string, Tensor> {
    const { count, targets, weights } = batch;
    const inputs = feeds.inputs.map(({ name, shape }, i): [string, Tensor] => [
      name,
      inputTensor([count, ...shape.slice(1).map(Number)], batch.inputs[i], feeds.inputs[i]?.dtype),
    ]);
    const width = widthOf(feeds.targets);
    const target: Tensor =
      targets instanceof BigInt64Array
        ? { dtype: 'int64', shape: [count], data: targets }
        : { dtype: 'float32', shape: [count, width], data: targets };
    return {
      ...Object.fromEntries(inputs),
      [feeds.targets.name]: target,
      [feeds.weights]: {
        dtype: 'float32',
        shape: [count],
        data: weights ?? new Float32Array(count).fill(1),
      },
      ...this.#fixedFeeds(feeds.fed),
    };
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

  #maskFeeds({ feeds }: NetworkGraph, count: number, seed: number): Record<string, Tensor> {
    return Object.fromEntries(
      feeds.masks.map(({ input, shape, rate }, i): [string, Tensor] => {
        const data = dropoutMask(streamSeed(seed, `dropout ${i}`), count * sizeOf(shape), rate);
        return [input, { dtype: 'bool', shape: [count, ...shape], data }];
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

  async #updateArrays(
    { fetches }: NetworkGraph,
    results: Readonly<Record<string, Tensor>>,
    learningRate: number,
  ): Promise<void> {
    const { optimizer, parameters } = this.#plan;
    const time = { learningRate, iteration: this.#iteration };
    const whole: MovingArrays[] = [];
    for (const [i, settings] of parameters.entries()) {
      const found = fetches.gradients[i];
      const parameter = this.#array(settings.name);
      const slots = optimizer.slots.map((slot) => this.#array(slotName(settings.name, slot.name)));
      if (typeof found === 'string') {
        whole.push({ settings, parameter, gradient: numbersOf(results, found), slots });
      } else if (found) {
        for await (const { from, gradient } of this.#opened.outer?.pieces(found, results) ?? []) {
          const part = (all: Float32Array): Float32Array =>
            all.subarray(from, from + gradient.length);
          const moving = { settings, parameter: part(parameter), gradient, slots: slots.map(part) };
          updateArrays(optimizer, [moving], time);
        }
      }
    }
    updateArrays(optimizer, whole, time);
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

/** Rows of a network's input, which may be class or word numbers. */
function inputTensor(
  shape: readonly number[],
  rows: Float32Array | undefined,
  dtype: Tensor['dtype'] = 'float32',
): Tensor {
  if (!rows) throw new Error('Bug: a network gets rows for each of its inputs');
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(rows, BigInt) };
  if (dtype === 'int32') return { dtype, shape, data: Int32Array.from(rows) };
  return { dtype: 'float32', shape, data: rows };
}

function numbersFrom(graph: GraphBuilder, name: string): Float32Array {
  const source: TensorSource | undefined = graph.initializers.get(name);
  if (source?.dtype !== 'float32') throw new Error(`Bug: "${name}" is no float32 weight`);
  const numbers = new Float32Array(sizeOf(source.shape));
  const bytes = new Uint8Array(numbers.buffer);
  let at = 0;
  for (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at !== numbers.length * dtypeBytes.float32) throw new Error(`Bug: "${name}" was cut short`);
  return numbers;
}

function scalar(number: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(number) };
}

function numbersOf(results: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = results[name]?.data;
  if (data instanceof Float32Array) return data;
  throw new Error(`Bug: the graph has no float32 output "${name}"`);
}

function diverged(loss: number, learningRate: number): ToolkitError {
  return new ToolkitError(
    'TRAINING_DIVERGED',
    `The loss is ${loss} at learning rate ${learningRate}, where a finite number was expected`,
    { hint: `Lower the learning rate, to ${learningRate / 10} for a start. Nothing was written.` },
  );
}
