import { ToolkitError } from '../errors.ts';
import { encodeModel } from '../onnx/write.ts';
import { openSession, type Session, type SessionOptions, type Tensor } from '../runtime/session.ts';
import { sizeOf } from '../tensor.ts';
import {
  type EpochGraph,
  type EvaluationGraph,
  epochGraph,
  evaluationGraph,
  type StepPlan,
} from './step.ts';

/** Features and targets of a set of samples, row by row. */
export interface Samples {
  readonly count: number;
  /** [count, D]. */
  readonly features: Float32Array;
  /** [count, K], or class numbers [count] for a loss that takes those. */
  readonly targets: Float32Array | BigInt64Array;
}

/** Loss and accuracy over a set, each the mean over its samples. */
export interface Measures {
  readonly loss: number;
  readonly accuracy: number;
}

/** One epoch's order, rate and mask. */
interface EpochOptions {
  readonly order: ArrayLike<number>;
  /** Before decay. */
  readonly learningRate: number;
  /** [count, D] of 0 and 1, for a head with dropout. */
  readonly mask?: Uint8Array | undefined;
  /** Sums of the batches of the same epoch that were trained on before these. */
  readonly before?: Sums | undefined;
}

/** Loss and right rows, summed over the rows so far. */
export interface Sums {
  readonly loss: number;
  readonly correct: number;
}

/** Opens the two graphs of a plan; whoever opens it closes it. Throws what `openSession` throws. */
export async function openTraining(
  plan: StepPlan,
  options: Pick<SessionOptions, 'provider' | 'threads'> = {},
): Promise<HeadTraining> {
  const epoch = epochGraph(plan);
  const evaluation = evaluationGraph(plan);
  const step = await openSession(encodeModel(epoch.graph, { name: 'epoch' }), options);
  try {
    const bytes = encodeModel(evaluation.graph, { name: 'evaluation' });
    const evaluate = await openSession(bytes, options);
    return new HeadTraining(plan, { epoch, step }, { evaluation, evaluate });
  } catch (error) {
    await step.close();
    throw error;
  }
}

/** A head in training: its parameters, the optimizer's slots, and the graphs that move them. */
export class HeadTraining {
  readonly #plan: StepPlan;
  readonly #epoch: EpochGraph;
  readonly #step: Session;
  readonly #evaluation: EvaluationGraph;
  readonly #evaluate: Session;
  #parameters: readonly Float32Array[];
  #slots: readonly Float32Array[];
  #iteration = 0;

  constructor(
    plan: StepPlan,
    training: { readonly epoch: EpochGraph; readonly step: Session },
    evaluating: { readonly evaluation: EvaluationGraph; readonly evaluate: Session },
  ) {
    this.#plan = plan;
    this.#epoch = training.epoch;
    this.#step = training.step;
    this.#evaluation = evaluating.evaluation;
    this.#evaluate = evaluating.evaluate;
    this.#parameters = plan.head.parameters.map(({ numbers }) => numbers);
    this.#slots = plan.head.parameters.flatMap(({ shape }) =>
      plan.optimizer.slots.map(({ start }) => new Float32Array(sizeOf(shape)).fill(start)),
    );
  }

  /** In the order of the head's parameters. A later epoch makes new arrays and leaves these. */
  get parameters(): readonly Float32Array[] {
    return this.#parameters;
  }

  /** Batches seen, and copies of all numbers in order: the parameters, then what the optimizer keeps of each. */
  state(): { readonly iteration: number; readonly numbers: readonly Float32Array[] } {
    const numbers = [...this.#parameters, ...this.#slots].map((each) => each.slice());
    return { iteration: this.#iteration, numbers };
  }

  /** Goes back to a state, bit for bit. */
  load({ iteration, numbers }: ReturnType<HeadTraining['state']>): void {
    const count = this.#parameters.length;
    this.#iteration = iteration;
    this.#parameters = numbers.slice(0, count).map((each) => each.slice());
    this.#slots = numbers.slice(count).map((each) => each.slice());
  }

  /**
   * Trains on all samples once. The measures are Keras': the mean over the samples, each measured before its own update.
   *
   * Throws TRAINING_DIVERGED when the loss or a parameter is no longer a number; the parameters then stay as they were.
   */
  async epoch(samples: Samples, options: EpochOptions): Promise<Measures> {
    const { loss, correct } = await this.batches(samples, options);
    return { loss: loss / samples.count, accuracy: correct / samples.count };
  }

  /** Trains on some batches of an epoch, whole ones but for its last; sums from its beginning. Throws as `epoch` does. */
  async batches(samples: Samples, options: EpochOptions): Promise<Sums> {
    const { loss = 0, correct = 0 } = options.before ?? {};
    const { feeds, fetches } = this.#epoch;
    const batches = Math.ceil(samples.count / this.#plan.batchSize);
    const results = await this.#step.run({
      ...this.#rows(samples, feeds),
      [feeds.order]: {
        dtype: 'int64',
        shape: [options.order.length],
        data: BigInt64Array.from(Array.from(options.order, BigInt)),
      },
      [feeds.batches]: { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(batches)) },
      [feeds.rate]: scalar(options.learningRate),
      [feeds.iteration]: scalar(this.#iteration),
      [feeds.lossBefore]: scalar(loss),
      [feeds.correctBefore]: scalar(correct),
      ...this.#maskFeed(samples, options.mask),
      ...this.#tensors(feeds.parameters, this.#parameters, 1),
      ...this.#tensors(feeds.slots, this.#slots, this.#plan.optimizer.slots.length),
    });
    const parameters = fetches.parameters.map((name) => numbersOf(results, name));
    const sums = this.#sums(results, fetches);
    const isFinite = parameters.every((numbers) => numbers.every(Number.isFinite));
    if (!isFinite || !Number.isFinite(sums.loss)) throw diverged(sums.loss, options);
    this.#parameters = parameters;
    this.#slots = fetches.slots.map((name) => numbersOf(results, name));
    this.#iteration += batches;
    return sums;
  }

  /** Measures, and outputs [count, K], of the head as it is, without dropout. */
  async evaluate(samples: Samples): Promise<Measures & { readonly output: Float32Array }> {
    const { feeds, fetches } = this.#evaluation;
    const results = await this.#evaluate.run({
      ...this.#rows(samples, feeds),
      ...this.#tensors(feeds.parameters, this.#parameters, 1),
    });
    const { loss, correct } = this.#sums(results, fetches);
    const { count } = samples;
    const output = numbersOf(results, fetches.output);
    return { loss: loss / count, accuracy: correct / count, output };
  }

  /** Frees both graphs; the parameters stay. */
  async close(): Promise<void> {
    try {
      await this.#step.close();
    } finally {
      await this.#evaluate.close();
    }
  }

  #rows(
    { count, features, targets }: Samples,
    feeds: { readonly features: string; readonly targets: string },
  ): Record<string, Tensor> {
    const { head } = this.#plan;
    return {
      [feeds.features]: { dtype: 'float32', shape: [count, head.features], data: features },
      [feeds.targets]:
        targets instanceof BigInt64Array
          ? { dtype: 'int64', shape: [count], data: targets }
          : { dtype: 'float32', shape: [count, head.classes], data: targets },
    };
  }

  #maskFeed({ count }: Samples, mask: Uint8Array | undefined): Record<string, Tensor> {
    const name = this.#epoch.feeds.mask;
    if (name === undefined) return {};
    if (!mask) throw new Error('Bug: a head with dropout needs a mask');
    return { [name]: { dtype: 'bool', shape: [count, this.#plan.head.features], data: mask } };
  }

  /** Tensors of which `each` belong to each parameter and have its shape. */
  #tensors(
    names: readonly string[],
    arrays: readonly Float32Array[],
    each: number,
  ): Record<string, Tensor> {
    const { parameters } = this.#plan.head;
    return Object.fromEntries(
      names.map((name, i): [string, Tensor] => {
        const shape = parameters[Math.floor(i / each)]?.shape ?? [];
        return [name, { dtype: 'float32', shape, data: arrays[i] ?? new Float32Array(0) }];
      }),
    );
  }

  #sums(
    results: Readonly<Record<string, Tensor>>,
    names: { readonly lossSum: string; readonly correct: string },
  ): Sums {
    return {
      loss: numbersOf(results, names.lossSum)[0] ?? Number.NaN,
      correct: numbersOf(results, names.correct)[0] ?? Number.NaN,
    };
  }
}

function scalar(number: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(number) };
}

function numbersOf(results: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = results[name]?.data;
  if (data instanceof Float32Array) return data;
  throw new Error(`Bug: the training graph has no float32 output "${name}"`);
}

function diverged(loss: number, { learningRate }: EpochOptions): ToolkitError {
  return new ToolkitError(
    'TRAINING_DIVERGED',
    `The loss is ${loss} at learning rate ${learningRate}, where a finite number was expected`,
    {
      hint: `Lower the learning rate, to ${learningRate / 10} for a start. Nothing was written.`,
    },
  );
}
