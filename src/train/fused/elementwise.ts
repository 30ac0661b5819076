import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import { type Code, op, type WasmFunction } from '../../wasm.ts';
import { operations } from './operations.ts';

/** A graph of element-wise nodes as one loop, which passes through memory once. */
export interface Elementwise {
  /** Takes the addresses of the vectors, their bytes (a multiple of 16), then the numbers of `scalars`. */
  readonly loop: WasmFunction;
  /** What the nodes without vectors come to, for these inputs by name. */
  readonly scalars: (given: ReadonlyMap<string, number>) => number[];
}

/** What a loop is made from. */
interface Elements {
  /** The inputs that are vectors, in the order of their addresses. */
  readonly vectors: readonly Value[];
  /** What the first vectors become. */
  readonly results: readonly Value[];
}

/** The nodes of the graph as a loop over all places at once, with the same operations on the same float32 numbers. */
export function elementwise(graph: GraphBuilder, elements: Elements): Elementwise {
  const { vectors, results } = elements;
  const { inside, outside } = parted(graph, vectors);
  const made = new Set([...vectors, ...inside.flatMap(({ outputs }) => outputs)]);
  const used = [...new Set(inside.flatMap((node) => inputsOf(node)))];
  const scalars = used.filter((value) => !made.has(value));
  const bytes = vectors.length;
  const at = bytes + 1 + scalars.length;
  const held = [...scalars, ...made];
  const fetch = (value: Value): Code => op.localGet(at + 1 + held.indexOf(value));
  const keep = (value: Value): Code => op.localSet(at + 1 + held.indexOf(value));
  const address = (vector: number): Code => [
    ...op.localGet(vector),
    ...op.localGet(at),
    ...op.i32Add,
  ];
  const body = [
    ...scalars.flatMap((value, i) => [
      ...op.localGet(bytes + 1 + i),
      ...op.f32x4Splat,
      ...keep(value),
    ]),
    ...op.loop(
      vectors.flatMap((value, i) => [...address(i), ...op.v128Load(), ...keep(value)]),
      inside.flatMap((node) => [...vectorCode(node, fetch), ...keep(node.outputs[0])]),
      results.flatMap((value, i) => [...address(i), ...fetch(value), ...op.v128Store()]),
      [...op.localGet(at), ...op.i32Const(16), ...op.i32Add, ...op.localTee(at)],
      [...op.localGet(bytes), ...op.i32LtU, ...op.brIf(0)],
    ),
  ];
  return {
    loop: {
      parameters: [
        ...vectors.map(() => 'i32' as const),
        'i32',
        ...scalars.map(() => 'f32' as const),
      ],
      locals: ['i32', ...held.map(() => 'v128' as const)],
      body,
    },
    scalars: (given) => {
      const numbers = evaluated(outside, given);
      return scalars.map((value) => numberOf(value, numbers));
    },
  };
}

/** Nodes that see a vector, and the others. */
function parted(
  graph: GraphBuilder,
  vectors: readonly Value[],
): { readonly inside: readonly Node[]; readonly outside: readonly Node[] } {
  const reached = new Set<Value>(vectors);
  const [inside, outside]: [Node[], Node[]] = [[], []];
  for (const node of graph.nodes) {
    const isInside = inputsOf(node).some((value) => reached.has(value));
    (isInside ? inside : outside).push(node);
    if (isInside) for (const output of node.outputs) reached.add(output);
  }
  return { inside, outside };
}

function inputsOf(node: Node): Value[] {
  const inputs: readonly (Value | undefined)[] = node.inputs;
  return inputs.filter((value) => value !== undefined);
}

function vectorCode(node: Node, fetch: (value: Value) => Code): Code {
  const code = operations[node.op]?.vector?.(inputsOf(node).map(fetch));
  if (!code) throw new Error(`Bug: an update cannot use ${node.op} on a parameter's numbers`);
  return code;
}

/** The nodes' results by name, each rounded to float32. */
function evaluated(
  nodes: readonly Node[],
  given: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const numbers = new Map([...given].map(([name, number]) => [name, Math.fround(number)]));
  for (const node of nodes) {
    const compute = operations[node.op]?.number;
    if (!compute) throw new Error(`Bug: an update cannot use ${node.op} on single numbers`);
    const result = compute(...inputsOf(node).map((value) => numberOf(value, numbers)));
    numbers.set(node.outputs[0].name, Math.fround(result));
  }
  return numbers;
}

function numberOf({ name, constant }: Value, numbers: ReadonlyMap<string, number>): number {
  const number = constant?.[0] ?? numbers.get(name);
  if (number === undefined) throw new Error(`Bug: nothing computes "${name}"`);
  return Math.fround(number);
}
