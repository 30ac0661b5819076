import type { Where } from '../errors.ts';
import { ConfigReader, isJson } from '../keras/config.ts';
import {
  type ActivationName,
  type ActivationSpec,
  activationNamed,
  activationNames,
} from './activations.ts';
import { unsupported } from './layer.ts';
import { type Padding, paddings } from './padding.ts';
import type { Rectifier } from './rectifier.ts';

export type DataFormat = 'channels_first' | 'channels_last';

/** Where the channels are; Keras' own default where the config leaves it open. */
export function readDataFormat(config: ConfigReader): DataFormat {
  return config.oneOf('data_format', ['channels_first', 'channels_last'], 'channels_last');
}

/** One whole number for each of `rank` axes; a single one stands for all. */
export function readTuple(
  config: ConfigReader,
  key: string,
  { rank, byDefault }: { readonly rank: number; readonly byDefault?: number | undefined },
): readonly number[] {
  const value = config.raw(key) ?? byDefault;
  if (isWhole(value)) return Array.from({ length: rank }, () => value);
  if (Array.isArray(value) && value.length === rank && value.every(isWhole)) return value;
  throw config.wrong(key, rank === 1 ? 'a whole number' : `${rank} whole numbers`);
}

/** A list of whole numbers of any length; a single one stands for a list of one. */
export function readIntegers(
  config: ConfigReader,
  key: string,
  byDefault?: readonly number[],
): readonly number[] {
  const value = config.raw(key) ?? byDefault;
  if (isWhole(value)) return [value];
  if (Array.isArray(value) && value.every(isWhole)) return value;
  throw config.wrong(key, 'a list of whole numbers');
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value);
}

export function readPadding(config: ConfigReader): Padding {
  return config.oneOf('padding', paddings, 'valid');
}

/** The row of the activation table for a config's `activation`; null means linear, and so does absent by default. */
export function readActivation(
  config: ConfigReader,
  where: Where,
  { key = 'activation', byDefault = 'linear' }: { key?: string; byDefault?: ActivationName } = {},
): ActivationSpec {
  const raw = config.raw(key);
  const value = raw === undefined ? byDefault : (functionName(raw) ?? 'linear');
  const name = typeof value === 'string' ? activationNamed(value) : undefined;
  const spec = name ?? layerActivation(value, where);
  if (spec) return spec;
  throw unsupported(
    `The activation ${JSON.stringify(value)} cannot be converted`,
    where,
    `Known activations: ${activationNames.toSorted().join(', ')}.`,
  );
}

/** A layer in the place of an activation's name; `undefined` where it is none of activation. */
// oxlint-disable-next-line eslint/complexity -- one row a layer
function layerActivation(value: unknown, where: Where): ActivationSpec | undefined {
  const json = isJson(value) && isJson(value['config']) ? value['config'] : undefined;
  if (!json || !isJson(value)) return undefined;
  const config = new ConfigReader(json, where);
  const slope = (byDefault: number): number =>
    config.number('negative_slope', config.number('alpha', byDefault));
  switch (value['class_name']) {
    case 'LeakyReLU':
      return rectifier({ ceiling: undefined, slope: slope(0.3), threshold: 0 });
    case 'ReLU':
      return rectifier({
        ceiling: config.raw('max_value') == null ? undefined : config.number('max_value'),
        slope: config.number('negative_slope', 0),
        threshold: config.number('threshold', 0),
      });
    case 'ELU':
      return { is: 'elu', alpha: config.number('alpha', 1) };
    case 'Softmax':
      return String(readIntegers(config, 'axis', [-1])) === '-1' ? 'softmax' : undefined;
    case 'Activation':
      return readActivation(config, where);
    default:
      return undefined;
  }
}

function rectifier(numbers: Rectifier): ActivationSpec {
  return { is: 'rectifier', rectifier: numbers };
}

/** Keras 3 may write a function as an object that names it. */
function functionName(value: unknown): unknown {
  if (!isJson(value) || value['class_name'] !== 'function') return value;
  return typeof value['config'] === 'string' ? value['config'] : value;
}

/** Pairs [before, after] for each of `rank` spatial axes: one number for all, one each, or two each. */
export function readSides(
  config: ConfigReader,
  key: string,
  rank: number,
): readonly (readonly [number, number])[] {
  const value = config.raw(key) ?? 1;
  const perAxis: readonly unknown[] = isWhole(value)
    ? Array.from({ length: rank }, () => value)
    : asArray(value);
  const isOnePair = rank === 1 && perAxis.length === 2 && perAxis.every(isWhole);
  const sides = (isOnePair ? [perAxis] : perAxis).map(sidesOf);
  if (sides.length === rank && sides.every((side) => side !== undefined)) return sides;
  throw config.wrong(key, `a whole number, or ${rank} of them, or ${rank} pairs`);
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function sidesOf(value: unknown): readonly [number, number] | undefined {
  if (isWhole(value)) return [value, value];
  const [before, after, ...more] = asArray(value);
  return isWhole(before) && isWhole(after) && more.length === 0 ? [before, after] : undefined;
}
