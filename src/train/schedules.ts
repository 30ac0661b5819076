/** Where in a stage a step is. */
export interface Moment {
  /** Steps done before in this stage. */
  readonly step: number;
  /** Steps of an epoch. */
  readonly stepsPerEpoch: number;
  readonly epochs: number;
}

/** Numbers of a schedule by name. */
export type ScheduleNumbers = Readonly<Record<string, number>>;

/** One way in which a learning rate goes through a stage. */
interface ScheduleRow {
  /** Its numbers with their defaults. */
  readonly numbers: ScheduleNumbers;
  /** Whether the rate changes inside an epoch. */
  readonly isPerStep: boolean;
  /** The rate over that of the plan. */
  readonly factor: (moment: Moment, numbers: ScheduleNumbers) => number;
}

/**
 * The schedules, one row a kind.
 *
 * `step`: the rate is multiplied by `factor` each `every` epochs. `cosine`: Keras' CosineDecay over the whole stage,
 * down to `alpha` of the rate, after `warmup` epochs in which it rises from 0 in a line. `onecycle`: fastai's
 * one_cycle: along half a cosine up from 1/`div` in the first `start` of the steps, then down to 1/`final`.
 * `plateau`: Keras' ReduceLROnPlateau, which looks at the measures, see `openPlateau`.
 */
export const schedules = {
  constant: { numbers: {}, isPerStep: false, factor: () => 1 },
  step: {
    numbers: { every: 10, factor: 0.1 },
    isPerStep: false,
    factor: ({ step, stepsPerEpoch }, { every = 10, factor = 0.1 }) =>
      factor ** Math.floor(Math.floor(step / stepsPerEpoch) / every),
  },
  cosine: {
    numbers: { alpha: 0, warmup: 0 },
    isPerStep: true,
    factor: ({ step, stepsPerEpoch, epochs }, { alpha = 0, warmup = 0 }) => {
      const rising = warmup * stepsPerEpoch;
      if (step < rising) return step / rising;
      const falling = Math.max(1, epochs * stepsPerEpoch - rising);
      const done = Math.min(1, (step - rising) / falling);
      return alpha + (1 - alpha) * 0.5 * (1 + Math.cos(Math.PI * done));
    },
  },
  onecycle: {
    numbers: { div: 25, final: 100000, start: 0.25 },
    isPerStep: true,
    factor: ({ step, stepsPerEpoch, epochs }, { div = 25, final = 100000, start = 0.25 }) => {
      const done = step / (epochs * stepsPerEpoch);
      return done < start
        ? between(1 / div, 1, done / start)
        : between(1, 1 / final, (done - start) / (1 - start));
    },
  },
  plateau: {
    numbers: { factor: 0.1, patience: 10, min_delta: 1e-4, cooldown: 0, min_lr: 0 },
    isPerStep: false,
    factor: () => 1,
  },
} as const satisfies Readonly<Record<string, ScheduleRow>>;

export type ScheduleName = keyof typeof schedules;

/** A schedule with all its numbers. */
export interface Schedule {
  readonly name: ScheduleName;
  readonly numbers: ScheduleNumbers;
}

/** The learning rate of a step, before what a plateau took off it. */
export function rateAt({ name, numbers }: Schedule, base: number, moment: Moment): number {
  const row: ScheduleRow = schedules[name];
  return base * row.factor(moment, numbers);
}

/** Half a cosine from one number to another. */
function between(from: number, to: number, share: number): number {
  return from + ((1 - Math.cos(Math.PI * share)) * (to - from)) / 2;
}
