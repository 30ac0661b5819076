import { rm } from 'node:fs/promises';
import { ToolkitError } from '../errors.ts';
import { openCampaign } from './campaign.ts';
import type { TrainOptions } from './options.ts';
import { plannedStages } from './plan/report.ts';
import { RandomState, streamSeed } from './random.ts';
import { checkedSettings } from './settings.ts';
import { openStage } from './stage-open.ts';
import { type Examples, noProgress, type Trainer } from './trainer.ts';

/** Losses while the learning rate grew. */
export interface RateCurve {
  readonly points: readonly { readonly rate: number; readonly loss: number }[];
  /** Where the smoothed loss fell most steeply, over the logarithm of the rate. */
  readonly steepest: number;
  /** A tenth of the rate of the least loss. */
  readonly minimum: number;
}

/** How the rates grow; defaults as fastai's `lr_find`. */
interface SweepOptions {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly steps?: number | undefined;
  readonly seed?: number | undefined;
  readonly batchSize: number;
}

/** As fastai: losses are smoothed so, and a sweep ends where they are so many times the least. */
const smoothing = { beta: 0.98, most: 4 } as const;

/**
 * Tries learning rates on the first stage of a plan: what `train` would do, with a rate that grows from step to step.
 *
 * Nothing is written. Throws what `train` throws before its first epoch.
 */
export async function findRate(options: TrainOptions): Promise<RateCurve> {
  const settings = checkedSettings(options);
  const campaign = await openCampaign(options, settings, {
    onSkip: () => undefined,
    onProgress: (part, progress) =>
      options.onEvent?.({ kind: 'features', part, stage: 1, ...progress }),
  });
  const stepwise = { ...campaign, isStepwise: true };
  const [planned] = plannedStages(campaign.network, settings.stages, campaign);
  if (!planned) throw new Error('Bug: a plan has a stage');
  const open = await openStage(stepwise, { number: 0, planned }, new Map());
  try {
    const { batchSize } = planned.settings;
    return await sweepRates(open.trainer, open.train, { batchSize, seed: settings.seed });
  } finally {
    await open.close();
    await rm(campaign.scratch, { force: true });
  }
}

/** Grows the rate step by step, and leaves the trainer as it was, to the bit. Throws TRAINING_DIVERGED when no step gave a number. */
export async function sweepRates(
  trainer: Trainer,
  examples: Examples,
  { from = 1e-7, to = 10, steps = 100, seed = 0, batchSize }: SweepOptions,
): Promise<RateCurve> {
  const before = trainer.state();
  const points: { rate: number; loss: number }[] = [];
  let [average, least] = [0, Number.POSITIVE_INFINITY];
  const rateOf = (step: number): number => from * (to / from) ** (step / Math.max(1, steps - 1));
  const stepsPerEpoch = Math.ceil(examples.rows.count / batchSize);
  try {
    for (let epoch = 1; points.length < steps; epoch++) {
      const own = streamSeed(seed, `stage 0 epoch ${epoch}`);
      let sum = 0;
      await trainer.epoch({
        examples,
        order: new RandomState(streamSeed(own, 'shuffle')).permutation(examples.rows.count),
        epoch,
        seed: streamSeed(own, 'dropout'),
        rate: (step) => rateOf((epoch - 1) * stepsPerEpoch + step),
        from: noProgress,
        onStep: ({ loss, samples, step }) => {
          const size = samples - (step - 1) * batchSize;
          average = smoothing.beta * average + ((1 - smoothing.beta) * (loss - sum)) / size;
          sum = loss;
          const smooth = average / (1 - smoothing.beta ** (points.length + 1));
          points.push({ rate: rateOf(points.length), loss: smooth });
          least = Math.min(least, smooth);
          if (smooth > smoothing.most * least || points.length >= steps) throw new SweepOver();
        },
      });
    }
  } catch (error) {
    const isDiverged = error instanceof ToolkitError && error.code === 'TRAINING_DIVERGED';
    if (!(error instanceof SweepOver) && !(isDiverged && points.length > 0)) throw error;
  } finally {
    trainer.load(before);
  }
  return curveOf(points);
}

/** Ends the epoch in which a sweep has seen enough. */
class SweepOver extends Error {}

function curveOf(points: readonly { readonly rate: number; readonly loss: number }[]): RateCurve {
  const losses = points.map(({ loss }) => loss);
  const lowest = losses.indexOf(Math.min(...losses));
  // The average has not settled in the first tenth; behind the lowest loss there are only wild ones.
  const first = Math.max(1, Math.floor(points.length / 10));
  let [steepest, slope] = [Math.min(first, lowest), 0];
  for (let i = first; i < lowest; i++) {
    const own = (losses[i + 1] ?? 0) - (losses[i - 1] ?? 0);
    if (own < slope) [steepest, slope] = [i, own];
  }
  const rateOf = (at: number): number => points[at]?.rate ?? 0;
  return { points, steepest: rateOf(steepest), minimum: rateOf(lowest) / 10 };
}
