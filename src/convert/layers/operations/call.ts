import { type ConfigReader, isJson } from '../../../keras/config.ts';
import { floatSource } from '../../../source.ts';
import type { DType, Value } from '../../../tensor.ts';
import type { Arguments } from '../../arguments.ts';
import { type Bench, unsupported } from '../../layer.ts';
import type { KerasTensor } from '../../layout.ts';

/** An argument: a tensor, or numbers of the file. */
export type Operand = KerasTensor | number | readonly unknown[];

/** One call of an operation: its arguments by position or by any of their names, in the call or in the config. */
export class OperationCall {
  readonly bench: Bench;
  readonly #given: Arguments;
  readonly #config: ConfigReader;

  constructor(given: Arguments, config: ConfigReader, bench: Bench) {
    this.bench = bench;
    this.#given = given;
    this.#config = config;
  }

  /** All tensors, in order. */
  get tensors(): readonly KerasTensor[] {
    return this.#given.positional;
  }

  /** The tensor that the operation works on. */
  get x(): KerasTensor {
    const [first] = this.tensors;
    if (!first) throw new Error('Bug: an operation takes a tensor');
    return first;
  }

  /** The argument as it was passed; `undefined` for null and where there is none. */
  raw(position: number, ...names: readonly string[]): unknown {
    for (const name of names) {
      const value = this.#given.at(Number.POSITIVE_INFINITY, name) ?? this.#config.raw(name);
      if (value !== undefined && value !== null) return value;
    }
    return this.#given.at(position, '') ?? undefined;
  }

  /** A part of an argument as a tensor, where it stands for one. */
  tensorOf(part: unknown): KerasTensor | undefined {
    return this.#given.tensorOf(part);
  }

  /** An argument that is a tensor or numbers. */
  operand(position: number, ...names: readonly string[]): Operand {
    const value = this.raw(position, ...names);
    const tensor = this.#given.tensorOf(value);
    if (tensor) return tensor;
    const numbers = numbersOf(value);
    if (typeof numbers === 'number' || Array.isArray(numbers)) return numbers;
    // oxlint-disable-next-line typescript/no-unnecessary-condition -- the value comes from a file
    throw this.refused(`the argument ${JSON.stringify(value) ?? 'nothing'}`);
  }

  number(position: number, byDefault: number | undefined, ...names: readonly string[]): number {
    const value = this.raw(position, ...names) ?? byDefault;
    if (typeof value === 'number') return value;
    // oxlint-disable-next-line typescript/no-unnecessary-condition -- the value comes from a file
    throw this.refused(`${names[0]} ${JSON.stringify(value) ?? 'missing'}`);
  }

  /** An element type, all floats as float32; `undefined` where none is asked for. */
  dtype(name: string, position = Number.POSITIVE_INFINITY): DType | undefined {
    const asked = this.raw(position, name);
    if (asked === undefined) return undefined;
    const to = Object.entries(dtypes).find(([known]) => known === asked)?.[1];
    if (!to) throw this.refused(`dtype ${JSON.stringify(asked)}`);
    return to;
  }

  flag(position: number, ...names: readonly string[]): boolean {
    return this.raw(position, ...names) === true;
  }

  /** One whole number, or a list; `undefined` where there is none. */
  integers(position: number, ...names: readonly string[]): readonly number[] | undefined {
    const value = this.raw(position, ...names);
    if (value === undefined) return undefined;
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.every((part): part is number => Number.isInteger(part))) return list;
    throw this.refused(`${names[0]} ${JSON.stringify(value)}`);
  }

  /** KERAS_LAYER_UNSUPPORTED for an argument that has no meaning here. */
  refused(what: string): Error {
    return unsupported(
      `The operation cannot be converted with ${what}`,
      this.bench.where,
      'Build the model with a layer that does the same, and constant arguments.',
    );
  }

  /** Numbers as a constant of the element type of `like`. */
  constant(numbers: number | readonly unknown[], like: Value): Value {
    const { graph, layer } = this.bench;
    const shape = shapeOf(numbers);
    const all = flat(numbers);
    if (!all.every((part): part is number => typeof part === 'number')) {
      throw this.refused(`the constant ${JSON.stringify(numbers)}`);
    }
    const isWhole = like.dtype !== 'float32' && all.every(Number.isInteger);
    if (like.dtype === 'int64' && isWhole) return graph.integers('constant', all, shape);
    if (isWhole) {
      return graph.add('Cast', [graph.integers('constant', all, shape)], { to: like.dtype });
    }
    return all.length === 1 && shape.length === 0
      ? graph.floats('constant', all)
      : graph.initializer(`${layer}/constant`, floatSource(shape, all));
  }
}

const dtypes = {
  float32: 'float32',
  float64: 'float32',
  float16: 'float32',
  bfloat16: 'float32',
  int64: 'int64',
  int32: 'int32',
  int16: 'int32',
  uint8: 'uint8',
  int8: 'int8',
  bool: 'bool',
} as const;

/** Arrays as Keras 3 writes them: the numbers, in lists of lists. */
function numbersOf(value: unknown): unknown {
  if (!isJson(value) || !isJson(value['config'])) return value;
  const isArray = value['class_name'] === '__numpy__' || value['class_name'] === '__tensor__';
  return isArray ? value['config']['value'] : value;
}

function shapeOf(value: unknown): readonly number[] {
  if (!Array.isArray(value)) return [];
  const list: readonly unknown[] = value;
  return [list.length, ...shapeOf(list[0])];
}

function flat(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.flatMap(flat) : [value];
}

/** Axes of a Keras shape, counted from 0. */
export function axesFromStart(axes: readonly number[], rank: number): readonly number[] {
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}
