import type { SessionOptions } from '../runtime/session.ts';
import { evaluated } from './evaluated.ts';
import { dropoutMasks } from './random.ts';
import { inOrder, type Pass, targetsOf } from './rows.ts';
import type { StepPlan } from './step.ts';
import type { Examples, Trainer, TrainerState } from './trainer.ts';
import { openTraining, type Samples, type Sums } from './training.ts';

interface LoopOptions extends Pick<SessionOptions, 'provider' | 'threads'> {
  /** Bytes of features that go into a run where not all of them are in memory. Default 16 MiB. */
  readonly runBytes?: number | undefined;
}

/** Rows of an evaluating run. */
const evaluatedAtOnce = 1024;

/**
 * A Dense layer on features that stay the same, as a trainer: an epoch is one run of the runtime, several times faster
 * than step by step, or where the features lie on disk, a run for each 16 MiB of them, with the same numbers. The rate is
 * that of the epoch's first step. Throws what `openTraining` throws.
 */
export async function openLoopTrainer(
  plan: StepPlan,
  { runBytes = 16 * 2 ** 20, ...options }: LoopOptions,
): Promise<Trainer> {
  const training = await openTraining(plan, options);
  const { head, optimizer, batchSize } = plan;
  const names = [
    ...head.parameters.map(({ name }) => name),
    ...head.parameters.flatMap(({ name }) => optimizer.slots.map((slot) => `${name}:${slot.name}`)),
  ];
  return {
    async epoch({ examples, order, epoch, seed, rate, from, onStep }) {
      if (from.step > 0) throw new Error('Bug: this epoch is one run, and cannot begin inside');
      const { count } = examples.rows;
      const nextMask = head.dropout > 0 ? dropoutMasks(seed, head.dropout) : undefined;
      const maskOf = (rows: number): Uint8Array | undefined => nextMask?.(rows * head.features);
      // Even, so that a mask can be drawn part by part.
      const pairs = Math.max(1, Math.floor(runBytes / (8 * head.features * batchSize)));
      const atOnce = 2 * pairs * batchSize;
      let sums: Sums = { loss: 0, correct: 0 };
      for await (const part of partsOf(examples, { order, epoch, batchSize: atOnce })) {
        const mask = maskOf(part.samples.count);
        const { samples, order: own } = part;
        const learningRate = rate(0);
        sums = await training.batches(samples, { order: own, learningRate, mask, before: sums });
      }
      const step = Math.ceil(count / batchSize);
      const done = { step, samples: count, ...sums, saturated: 0 };
      await onStep?.(done);
      return done;
    },
    evaluate: (examples) =>
      evaluated(examples, evaluatedAtOnce, async (features, own) => {
        const targets = targetsOf(examples.targets, examples.rows.count, own);
        const measures = await training.evaluate({ count: own.length, features, targets });
        const { loss, accuracy, output } = measures;
        return { loss, correct: Math.round(accuracy * own.length), output };
      }),
    state: (): TrainerState => {
      const { iteration, numbers } = training.state();
      const tensors = names.map((name, i) => [name, numbers[i] ?? new Float32Array(0)] as const);
      return { iteration, tensors: new Map(tensors) };
    },
    load: ({ iteration, tensors }) =>
      training.load({
        iteration,
        numbers: names.map((name) => tensors.get(name) ?? missing(name)),
      }),
    parameters: () =>
      new Map(
        training.parameters.map((numbers, i) => [head.parameters[i]?.name ?? '', numbers.slice()]),
      ),
    close: () => training.close(),
  };
}

interface EpochPart {
  readonly samples: Samples;
  /** In which its samples are taken. */
  readonly order: Uint32Array;
}

/** All samples at once where they are in memory, else some batches at a time, in the order in which they are taken. */
async function* partsOf(
  { rows, targets }: Examples,
  { order, epoch, batchSize }: Pick<Pass, 'order' | 'epoch' | 'batchSize'>,
): AsyncIterable<EpochPart> {
  const { count, memory } = rows;
  if (memory) {
    yield { samples: { count, features: memory, targets }, order };
    return;
  }
  let at = 0;
  for await (const features of rows.batches({ order, epoch, batchSize })) {
    const own = order.subarray(at, at + batchSize);
    at += own.length;
    const samples = { count: own.length, features, targets: targetsOf(targets, count, own) };
    yield { samples, order: inOrder(own.length) };
  }
}

function missing(name: string): never {
  throw new Error(`Bug: the state has no "${name}"`);
}
