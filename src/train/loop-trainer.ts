import type { SessionOptions } from '../runtime/session.ts';
import { dropoutMask } from './random.ts';
import type { StepPlan } from './step.ts';
import type { Examples, Trainer, TrainerState } from './trainer.ts';
import { openTraining, type Samples } from './training.ts';

/**
 * A Dense layer on features in memory, as a trainer: an epoch is one run of the runtime, several times faster than
 * step by step. The rate is that of the epoch's first step. Throws what `openTraining` throws.
 */
export async function openLoopTrainer(
  plan: StepPlan,
  options: Pick<SessionOptions, 'provider' | 'threads'>,
): Promise<Trainer> {
  const training = await openTraining(plan, options);
  const { head, optimizer, batchSize } = plan;
  const names = [
    ...head.parameters.map(({ name }) => name),
    ...head.parameters.flatMap(({ name }) => optimizer.slots.map((slot) => `${name}:${slot.name}`)),
  ];
  return {
    async epoch({ examples, order, seed, rate, from, onStep }) {
      if (from.step > 0) throw new Error('Bug: this epoch is one run, and cannot begin inside');
      const { count } = examples.rows;
      const mask =
        head.dropout > 0 ? dropoutMask(seed, count * head.features, head.dropout) : undefined;
      const { loss, accuracy } = await training.epoch(samplesOf(examples), {
        order,
        learningRate: rate(0),
        mask,
      });
      const step = Math.ceil(count / batchSize);
      const done = {
        step,
        samples: count,
        loss: loss * count,
        correct: accuracy * count,
        saturated: 0,
      };
      await onStep?.(done);
      return done;
    },
    async evaluate(examples) {
      const { loss, accuracy, output } = await training.evaluate(samplesOf(examples));
      return { loss, acc: accuracy, output };
    },
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

function samplesOf({ rows, targets }: Examples): Samples {
  if (!rows.memory) throw new Error('Bug: an epoch in one run needs its rows in memory');
  return { count: rows.count, features: rows.memory, targets };
}

function missing(name: string): never {
  throw new Error(`Bug: the state has no "${name}"`);
}
