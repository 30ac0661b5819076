import { z } from 'zod';
import { ToolkitError } from '../../errors.ts';
import { optimizers } from '../optimizers.ts';
import { type ScheduleName, schedules } from '../schedules.ts';
import { callOf, checked, itemsOf, plainValue } from './text.ts';

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a constant table
const optimizerNames = Object.keys(optimizers) as (keyof typeof optimizers)[];
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a constant table
const scheduleNames = Object.keys(schedules) as ScheduleName[];

const rate = z.number().positive();
const share = z.number().min(0).lt(1);

/** A schedule as text, `cosine(warmup=1)`, or as an object with its name. */
const schedule = z
  .union([
    z.string(),
    z.object({ name: z.enum(scheduleNames) }).catchall(z.union([z.number(), z.string()])),
  ])
  .transform((value, context) => {
    try {
      return scheduleOf(value);
    } catch (error) {
      context.addIssue(
        error instanceof ToolkitError ? (error.message.split('\n')[0] ?? '') : String(error),
      );
      return z.NEVER;
    }
  });

/** What can be said of a stage; what is left out is as for all stages. */
export const stageSchema = z.strictObject({
  /** Which layers learn: see `selectLayers`. */
  train: z.string().min(1),
  epochs: z.number().int().positive().optional(),
  batch: z.number().int().positive().optional(),
  optimizer: z.enum(optimizerNames).optional(),
  lr: rate.optional(),
  momentum: share.optional(),
  nesterov: z.boolean().optional(),
  rho: share.optional(),
  beta1: share.optional(),
  beta2: share.optional(),
  epsilon: rate.optional(),
  decay: z.number().nonnegative().optional(),
  weight_decay: z.number().nonnegative().optional(),
  clipnorm: rate.optional(),
  clipvalue: rate.optional(),
  schedule: schedule.optional(),
  /** The share of the rate that layers get, by choice: the first that fits counts. */
  factors: z.record(z.string(), z.number().nonnegative()).optional(),
  /** The share that every Dropout drops. */
  dropout: share.optional(),
  patience: z.number().int().nonnegative().optional(),
});

export type StageOptions = z.input<typeof stageSchema>;
/** One stage of a plan as it was written. */
export type StageText = z.output<typeof stageSchema>;

/**
 * One stage from one line: `dense:epochs=5,lr=1e-4,schedule=cosine(warmup=1),factors=(dense_1=0.1,dense_2=0.5)`.
 *
 * Before the first colon that stands between a choice of layers and an option lies the choice. Throws OPTION_INVALID.
 */
export function parseStage(text: string): StageText {
  const at = text.search(/:(?=[a-z_0-9]+(=|,|$))(?!\d+$)/);
  const [train, rest] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  const options = Object.fromEntries(
    itemsOf(rest).map(({ name, value }) => [
      name,
      name === 'factors'
        ? factorsOf(value ?? '')
        : name === 'schedule'
          ? (value ?? '')
          : plainValue(value),
    ]),
  );
  return checked(stageSchema, { train, ...options }, `Stage "${text}"`);
}

function factorsOf(text: string): Record<string, unknown> {
  const inside = text.startsWith('(') ? text.slice(1, -1) : text;
  return Object.fromEntries(itemsOf(inside).map(({ name, value }) => [name, plainValue(value)]));
}

function scheduleOf(
  value: string | ({ readonly name: ScheduleName } & Readonly<Record<string, unknown>>),
): {
  readonly name: ScheduleName;
  readonly numbers: Readonly<Record<string, number>>;
} {
  const { name, ...given } =
    typeof value === 'string'
      ? {
          name: callOf(value).name,
          ...Object.fromEntries(
            itemsOf(callOf(value).inside).map((item) => [item.name, Number(item.value)]),
          ),
        }
      : value;
  const known = scheduleNames.find((each) => each === name);
  if (known === undefined)
    throw invalid(`There is no schedule "${name}": choose ${scheduleNames.join(', ')}`);
  const defaults: Readonly<Record<string, number>> = schedules[known].numbers;
  const numbers: Record<string, number> = {};
  for (const [key, number] of Object.entries(given)) {
    if (!(key in defaults)) {
      throw invalid(
        `"${known}" has no number "${key}": ${Object.keys(defaults).join(', ') || 'it has none'}`,
      );
    }
    if (typeof number !== 'number' || !Number.isFinite(number)) {
      throw invalid(`"${key}" of "${known}" is no number`);
    }
    numbers[key] = number;
  }
  return { name: known, numbers: { ...defaults, ...numbers } };
}

function invalid(what: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', what, {
    hint: 'Correct it, or leave it out for the default.',
  });
}
