import { rm } from 'node:fs/promises';
import { ToolkitError } from '../errors.ts';
import { openCampaign } from './campaign.ts';
import { stopPoint } from './interruption.ts';
import type { TrainOptions } from './options.ts';
import { plannedStages } from './plan/report.ts';
import { RandomState, streamSeed } from './random.ts';
import { checkedSettings } from './settings.ts';
import { openStage } from './stage-open.ts';
import { checkTogether } from './together.ts';
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
  /** Looked at after each step. */
  readonly signal?: AbortSignal | undefined;
}

/** As fastai: a sweep ends where the losses, smoothed so, are so many times the least. */
const ending = { beta: 0.98, most: 4 } as const;

/** What a loss of the curve counts in the average, for each step that it is away. */
const beta = 0.8;

/**
 * Tries learning rates on the first stage of a plan: what `train` would do, with a rate that grows from step to step.
 *
 * Nothing is written. Throws what `train` throws before its first epoch.
 */
export async function findRate(options: TrainOptions): Promise<RateCurve> {
  const settings = checkedSettings(options);
  checkTogether(options);
  const campaign = await openCampaign(options, settings, {
    signal: options.signal,
    onWarning: (text) => options.onEvent?.({ kind: 'warning', text }),
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
    const { seed } = settings;
    return await sweepRates(open.trainer, open.train, { batchSize, seed, signal: options.signal });
  } finally {
    await open.close();
    await rm(campaign.scratch, { force: true });
  }
}

/** Grows the rate step by step, and leaves the trainer as it was, to the bit. Throws TRAINING_DIVERGED when no step gave a number. */
export async function sweepRates(
  trainer: Trainer,
  examples: Examples,
  { from = 1e-7, to = 10, steps = 100, seed = 0, batchSize, signal }: SweepOptions,
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
        onStep: async ({ loss, samples, step }) => {
          await stopPoint(signal, 'while rates were tried');
          const stepLoss = (loss - sum) / (samples - (step - 1) * batchSize);
          sum = loss;
          average = ending.beta * average + (1 - ending.beta) * stepLoss;
          const smooth = average / (1 - ending.beta ** (points.length + 1));
          points.push({ rate: rateOf(points.length), loss: stepLoss });
          least = Math.min(least, smooth);
          if (smooth > ending.most * least || points.length >= steps) throw new SweepOver();
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

/**
 * What the losses of growing rates say, once they are smoothed: single steps go up and down with their batches.
 *
 * Source: Smith, Cyclical Learning Rates, section 3.3; fastai's `lr_find` (exponential moving average).
 */
export function curveOf(measured: RateCurve['points']): RateCurve {
  const losses = smoothed(measured.map(({ loss }) => loss));
  const points = measured.map(({ rate }, i) => ({ rate, loss: losses[i] ?? 0 }));
  const lowest = losses.indexOf(Math.min(...losses));
  // At the smallest rates nothing is learned yet; behind the lowest loss there are only wild ones.
  const first = Math.max(1, Math.floor(points.length / 10));
  let [steepest, slope] = [Math.min(first, lowest), 0];
  for (let i = first; i < lowest; i++) {
    const own = (losses[i + 1] ?? 0) - (losses[i - 1] ?? 0);
    if (own < slope) [steepest, slope] = [i, own];
  }
  const rateOf = (at: number): number => points[at]?.rate ?? 0;
  return { points, steepest: rateOf(steepest), minimum: rateOf(lowest) / 10 };
}

/**
 * An exponential moving average to both sides of each loss, of their logarithms: a loss that explodes at the end would
 * otherwise reach far back.
 */
function smoothed(losses: readonly number[]): readonly number[] {
  const logs = losses.map((loss) => Math.log(Math.max(loss, Number.MIN_VALUE)));
  return logs.map((_, i) => {
    let [sum, weights] = [0, 0];
    for (const [j, log] of logs.entries()) {
      const weight = beta ** Math.abs(i - j);
      sum += weight * log;
      weights += weight;
    }
    return Math.exp(sum / weights);
  });
}
