import { type ConfigReader, isJson, type Json } from '../../../keras/config.ts';
import { floatSource } from '../../../source.ts';
import { type DType, sizeOf, type TensorSource, type Value } from '../../../tensor.ts';
import type { Arguments } from '../../arguments.ts';
import { type Bench, unsupported } from '../../layer.ts';
import type { KerasTensor } from '../../layout.ts';

/** An argument: a tensor, or numbers of the file. */
export type Operand = KerasTensor | number | readonly unknown[];

/** One call of an operation: its arguments by position or by any of their names, in the call or in the config. */
export class OperationCall {
  readonly bench: Bench;
  /** Other names of arguments, and arguments that the caller adds. */
  #names: Readonly<Record<string, string>> = {};
  #added: Readonly<Record<string, unknown>> = {};
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
    const [stated] = this.#given.args;
    const numbers = numbersOf(stated);
    const isConstant = typeof numbers === 'number' || (Array.isArray(numbers) && isPlain(numbers));
    if (!first || isConstant) throw this.refused('a constant in the place of its tensor');
    return first;
  }

  /** Any tensor, for its type. */
  get like(): Value {
    const [first] = this.tensors;
    if (!first) throw this.refused('no tensor');
    return this.bench.layouts.keras(first).value;
  }

  /** The tensor that the operation works on, in Keras' order. */
  get kerasX(): Value {
    return this.bench.layouts.keras(this.x).value;
  }

  /** The argument as it was passed; `undefined` for null and where there is none. */
  raw(position: number, ...names: readonly string[]): unknown {
    for (const name of names) {
      const own = this.#names[name] ?? name;
      const value =
        this.#added[name] ?? this.#given.at(Number.POSITIVE_INFINITY, own) ?? this.#config.raw(own);
      if (value !== undefined && value !== null) return value;
    }
    return this.#given.at(position, '') ?? undefined;
  }

  /** The call of an operation whose arguments have other names, with some more of them. */
  renamed(names: Readonly<Record<string, string>>, added: Json): OperationCall {
    const call = new OperationCall(this.#given, this.#config, this.bench);
    call.#names = names;
    call.#added = added;
    return call;
  }

  /** The call with its first two arguments in each other's place. */
  swapped(): OperationCall {
    const [first, second, ...others] = this.#given.args;
    const { kwargs } = this.#given;
    const own = {
      targets: second ?? kwargs['targets'],
      predictions: first ?? kwargs['predictions'],
    };
    return this.renamed({}, { ...own, k: others[0] ?? kwargs['k'] });
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

  /** An argument that is a tensor or numbers, as a value in Keras' order; numbers as the type of `like`. */
  value(position: number, like: Pick<Value, 'dtype'>, ...names: readonly string[]): Value {
    const operand = this.operand(position, ...names);
    if (typeof operand === 'object' && 'layout' in operand) {
      return this.bench.layouts.keras(operand).value;
    }
    return this.constant(operand, like);
  }

  /** Numbers of the file, in an array or alone, as a value of the type of `like`. */
  constantOf(part: unknown, like: Pick<Value, 'dtype'>): Value {
    const numbers = numbersOf(part);
    if (typeof numbers === 'number' || Array.isArray(numbers)) return this.constant(numbers, like);
    throw this.refused(`the argument ${JSON.stringify(part)}`);
  }

  /** An argument that is an array of numbers of the file, as a weight; `undefined` where there is none. */
  weight(position: number, ...names: readonly string[]): TensorSource | undefined {
    const value = this.raw(position, ...names);
    if (value === undefined) return undefined;
    const numbers = numbersOf(value);
    const shape = shapeOf(numbers);
    const all = flat(numbers);
    const isWhole = all.length === sizeOf(shape);
    if (isWhole && all.every((part): part is number => typeof part === 'number')) {
      return floatSource(shape, all);
    }
    throw this.refused(`${names[0]} that is no array of numbers`);
  }

  /** One of several words. */
  word<const T extends string>(
    position: number,
    {
      names,
      of,
      byDefault,
    }: { readonly names: readonly string[]; readonly of: readonly T[]; readonly byDefault: T },
  ): T {
    const value = this.raw(position, ...names) ?? byDefault;
    const said = typeof value === 'string' ? value.toLowerCase() : value;
    const known = of.find((each) => each === said);
    if (known !== undefined) return known;
    throw this.refused(`${names[0]} ${JSON.stringify(value)}`);
  }

  /** The list among the arguments that holds tensors, constants among them; else all tensors. */
  get #list(): readonly unknown[] {
    const list = [...this.#given.args, ...Object.values(this.#given.kwargs)].find(
      (part): part is readonly unknown[] =>
        Array.isArray(part) && part.some((each) => this.tensorOf(each) !== undefined),
    );
    return list ?? this.#given.args.filter((part) => this.tensorOf(part));
  }

  /** Whether there are constants among the tensors of a list. */
  get hasConstantParts(): boolean {
    return this.#list.some((part) => this.tensorOf(part) === undefined);
  }

  /** The parts of a list, in Keras' order, of one type. */
  get parts(): readonly Value[] {
    const { graph, layouts } = this.bench;
    const tensors = this.#list.map((part) => this.tensorOf(part));
    const values = tensors.map((tensor) => tensor && layouts.keras(tensor).value);
    const types = values.flatMap((value) => value?.dtype ?? []);
    const to = types.find((dtype) => dtype === 'float32' || dtype === 'int64') ?? types[0];
    if (!to) throw this.refused('no tensors');
    return this.#list.map((part, i) => {
      const value = values[i] ?? this.constantOf(part, { dtype: to });
      return value.dtype === to ? value : graph.add('Cast', [value], { to });
    });
  }

  /** The arguments by position, tensors as places. */
  get args(): readonly unknown[] {
    return this.#given.args;
  }

  number(position: number, byDefault: number | undefined, ...names: readonly string[]): number {
    const value = this.#told(this.raw(position, ...names)) ?? byDefault;
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

  /** The number or numbers of a tensor, where they are known before the graph runs; anything else as it is. */
  #told(part: unknown): unknown {
    const tensor = this.tensorOf(part);
    const known = tensor?.value.known;
    if (!tensor || known?.every((number) => number !== undefined) !== true) return part;
    return tensor.shape.length === 0 ? known[0] : known;
  }

  flag(position: number, ...names: readonly string[]): boolean {
    return this.raw(position, ...names) === true;
  }

  /** One whole number, or a list; `undefined` where there is none. */
  integers(position: number, ...names: readonly string[]): readonly number[] | undefined {
    const value = this.#told(this.raw(position, ...names));
    if (value === undefined) return undefined;
    const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
    const list = parts.map((part) => this.#told(part));
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
  constant(numbers: number | readonly unknown[], like: Pick<Value, 'dtype'>): Value {
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

/** Whether a list holds plain numbers only, at any depth. */
function isPlain(list: readonly unknown[]): boolean {
  return flat(list).every((part) => typeof part === 'number' || typeof part === 'boolean');
}

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
