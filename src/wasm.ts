/** Bytes of WebAssembly: an instruction, several, or a part of a module. */
export type Code = readonly number[];

/** Value types. Source: WebAssembly Core Specification 2.0, 5.3. */
const types = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;

type WasmType = keyof typeof types;

/** A function that gives nothing back. */
export interface WasmFunction {
  /** Types of the first locals, which the caller sets. */
  readonly parameters: readonly WasmType[];
  /** Types of the other locals, which are numbered behind the parameters. */
  readonly locals: readonly WasmType[];
  readonly body: Code;
}

/** Unsigned LEB128. Source: 5.2.2. */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))];
}

/** Signed LEB128, of numbers from 0 on. */
function signed(value: number): Code {
  return value < 64 ? [value] : [(value % 128) + 128, ...signed(Math.floor(value / 128))];
}

const simd = (code: number, ...rest: Code): Code => [0xfd, ...unsigned(code), ...rest];
/** Alignment (a hint; 0 promises nothing) and offset, in bytes, of an access to memory. */
const memoryArgument = (offset: number): Code => [0, ...unsigned(offset)];

/** The instructions that are used, by their names in the specification. Source: 5.4. */
export const op = {
  loop: (...body: readonly Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0b],
  /** Goes on with the loop around, so many loops further out, where what it takes is not 0. */
  brIf: (label: number): Code => [0x0d, ...unsigned(label)],
  localGet: (local: number): Code => [0x20, ...unsigned(local)],
  localSet: (local: number): Code => [0x21, ...unsigned(local)],
  localTee: (local: number): Code => [0x22, ...unsigned(local)],
  i32Load: (offset = 0): Code => [0x28, ...memoryArgument(offset)],
  /** Of a number from 0 on. */
  i32Const: (value: number): Code => [0x41, ...signed(value)],
  i32LtU: [0x49],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  v128Load: (offset = 0): Code => simd(0, ...memoryArgument(offset)),
  v128Load32Splat: (offset = 0): Code => simd(9, ...memoryArgument(offset)),
  v128Store: (offset = 0): Code => simd(11, ...memoryArgument(offset)),
  /** `v128.const` of nothing but zeros. */
  v128Zero: simd(12, ...Array.from({ length: 16 }, () => 0)),
  i32x4Splat: simd(17),
  f32x4Splat: simd(19),
  f32x4Lt: simd(67),
  f32x4Gt: simd(68),
  v128Bitselect: simd(82),
  v128Store32Lane: (lane: number): Code => simd(90, ...memoryArgument(0), lane),
  v128Load32Zero: (offset = 0): Code => simd(92, ...memoryArgument(offset)),
  i8x16NarrowI16x8U: simd(102),
  i16x8NarrowI32x4S: simd(133),
  i16x8ExtendLowI8x16U: simd(137),
  i16x8ExtendHighI8x16U: simd(138),
  i32x4ExtendLowI16x8U: simd(169),
  i32x4ExtendHighI16x8U: simd(170),
  i32x4ShrS: simd(172),
  i32x4Add: simd(174),
  i32x4Mul: simd(181),
  f32x4Abs: simd(224),
  f32x4Sqrt: simd(227),
  f32x4Add: simd(228),
  f32x4Sub: simd(229),
  f32x4Mul: simd(230),
  f32x4Div: simd(231),
  f32x4Min: simd(232),
  f32x4Max: simd(233),
} as const;

/** Bytes a page of memory. */
const pageBytes = 2 ** 16;

/** Memory that functions reach by addresses, and JavaScript through `buffer`; growing it makes a new `buffer`. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  readonly grow: (pages: number) => number;
}

/** Memory of at least so many bytes, all 0. What nothing was written to costs no memory yet. */
export function wasmMemory(bytes: number): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / pageBytes) });
}

/** Makes memory at least so large. It never shrinks. */
export function growMemory(memory: WasmMemory, bytes: number): void {
  const lacking = bytes - memory.buffer.byteLength;
  if (lacking > 0) memory.grow(Math.ceil(lacking / pageBytes));
}

/** The function over this memory, which several functions may share. */
export function compileFunction(
  source: WasmFunction,
  memory: WasmMemory,
): (...parameters: number[]) => void {
  const module = new WebAssembly.Module(moduleOf(source));
  return new WebAssembly.Instance(module, { from: { memory } }).exports.function;
}

/** "\0asm", version 1. */
const header: Code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** A module of one function, exported as `function`, over the memory imported as `from.memory`. Source: 5.5. */
function moduleOf({ parameters, locals, body }: WasmFunction): Uint8Array {
  const code = [...counted(locals.map((type) => [1, types[type]])), ...body, 0x0b];
  return Uint8Array.from([
    ...header,
    ...section(1, [0x60, ...counted(parameters.map((type) => [types[type]])), 0]),
    ...section(2, [...nameOf('from'), ...nameOf('memory'), 2, 0, 0]),
    ...section(3, [0]),
    ...section(7, [...nameOf('function'), 0, 0]),
    ...section(10, [...unsigned(code.length), ...code]),
  ]);
}

/** A section of one item. */
function section(id: number, item: Code): Code {
  const content = counted([item]);
  return [id, ...unsigned(content.length), ...content];
}

function counted(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function nameOf(name: string): Code {
  return counted([...Buffer.from(name)].map((byte) => [byte]));
}

/** What of WebAssembly is used: Node's types leave it out. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly from: { readonly memory: WasmMemory } },
  ) => { readonly exports: { readonly function: (...parameters: number[]) => void } };
};
