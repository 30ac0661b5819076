import type { GraphBuilder, Node } from '../onnx/graph.ts';
import { sourceOf } from '../source.ts';
import { sizeOf, type TensorSource, type Value } from '../tensor.ts';
import { computed, numbersOf } from './weights.ts';

/**
 * Folds every BatchNormalization that follows a Conv, and alone uses its result, into the kernel and the bias.
 *
 * kernel' = kernel · s and bias' = (bias - mean) · s + beta along the output channels, s = gamma / sqrt(variance +
 * epsilon). Weights keep their names and are worked out while they are written. Layers that share a kernel are left
 * alone. Returns the bias of each convolution, by the name of the value that is gone.
 */
export function foldNormalizations(graph: GraphBuilder): ReadonlyMap<string, Value> {
  const uses = usesIn(graph);
  const exported = new Set(graph.outputs.map(({ name }) => name));
  const producers = new Map(graph.nodes.map((node) => [node.outputs[0].name, node]));
  const folded = new Map<Node, Node>();
  const gone = new Map<string, Value>();
  for (const node of graph.nodes) {
    if (!isOp(node, 'BatchNormalization')) continue;
    const conv = producers.get(node.inputs[0].name);
    if (!conv || !isOp(conv, 'Conv')) continue;
    const isFree = uses.get(conv.outputs[0].name) === 1 && !exported.has(conv.outputs[0].name);
    if (!isFree || !conv.inputs.slice(1).every((weight) => isOwn(graph, uses, weight))) continue;
    const both = joined(graph, conv, node);
    folded.set(conv, both);
    folded.set(node, node);
    if (both.inputs[2]) gone.set(conv.outputs[0].name, both.inputs[2]);
  }
  replaceNodes(graph, folded);
  return gone;
}

function isOp<O extends 'Conv' | 'BatchNormalization'>(node: Node, op: O): node is Node<O> & Node {
  return node.op === op;
}

/** How often each value is taken, in bodies too. */
function usesIn(graph: GraphBuilder, uses = new Map<string, number>()): Map<string, number> {
  for (const { inputs, body } of graph.nodes) {
    const values: readonly (Value | undefined)[] = inputs;
    for (const value of values) {
      if (value) uses.set(value.name, (uses.get(value.name) ?? 0) + 1);
    }
    if (body) usesIn(body, uses);
  }
  return uses;
}

function isOwn(
  graph: GraphBuilder,
  uses: ReadonlyMap<string, number>,
  weight: Value | undefined,
): boolean {
  if (!weight) return true;
  const isFloat = graph.initializers.get(weight.name)?.dtype === 'float32';
  return isFloat && uses.get(weight.name) === 1;
}

/** The convolution that does both. */
function joined(
  graph: GraphBuilder,
  conv: Node<'Conv'>,
  normalization: Node<'BatchNormalization'>,
): Node<'Conv'> {
  const [x, kernel, bias] = conv.inputs;
  const [gamma, beta, mean, variance] = normalization.inputs
    .slice(1)
    .map((value) => numbersIn(graph, value));
  const { epsilon } = normalization.attributes;
  const scale = once(() => {
    const factors = gamma?.() ?? [];
    return (variance?.() ?? []).map((v, i) => (factors[i] ?? 1) / Math.sqrt(v + epsilon));
  });
  const before = bias && numbersIn(graph, bias);
  const offset = (): readonly number[] => {
    const [old, means, betas] = [before?.(), mean?.() ?? [], beta?.() ?? []];
    return scale().map((s, i) => ((old?.[i] ?? 0) - (means[i] ?? 0)) * s + (betas[i] ?? 0));
  };
  const source = graph.initializers.get(kernel.name);
  if (!source) throw new Error(`Bug: no kernel "${kernel.name}"`);
  graph.initializers.set(kernel.name, scaledRows(source, scale));
  const newBias = computed([source.shape[0] ?? 1], offset);
  if (bias) graph.initializers.set(bias.name, newBias);
  const added = bias ?? graph.initializer(kernel.name.replace(/kernel$/, 'bias'), newBias);
  return { ...conv, inputs: [x, kernel, added], outputs: normalization.outputs };
}

function numbersIn(graph: GraphBuilder, value: Value): () => readonly number[] {
  const source = graph.initializers.get(value.name);
  if (!source) throw new Error(`Bug: no weight "${value.name}"`);
  return () => numbersOf(source);
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** A float32 source with each index of its first axis multiplied by a number. Memory: one chunk more than the source. */
function scaledRows(source: TensorSource, factors: () => readonly number[]): TensorSource {
  const { shape } = source;
  const row = sizeOf(shape.slice(1));
  const scaled = (bytes: Uint8Array, start: number): Uint8Array => {
    const numbers = new Float32Array(bytes.slice().buffer);
    const scale = factors();
    for (let i = 0; i < numbers.length; i++) {
      numbers[i] = (numbers[i] ?? 0) * (scale[Math.floor((start + i) / row)] ?? 1);
    }
    return new Uint8Array(numbers.buffer);
  };
  return {
    ...sourceOf('float32', shape, (start, count) => scaled(source.read(start, count), start)),
    *chunks() {
      let start = 0;
      for (const chunk of source.chunks()) {
        yield scaled(chunk, start);
        start += chunk.byteLength / 4;
      }
    },
  };
}

/** Puts the new nodes in the places of the old convolutions, and drops what nothing uses any more. */
function replaceNodes(graph: GraphBuilder, folded: ReadonlyMap<Node, Node>): void {
  if (folded.size === 0) return;
  const kept = graph.nodes.flatMap((node) => {
    const found = folded.get(node);
    return found === node ? [] : [found ?? node];
  });
  graph.nodes.splice(0, graph.nodes.length, ...kept);
  const uses = usesIn(graph);
  for (const { inputs } of folded.keys()) {
    const values: readonly (Value | undefined)[] = inputs;
    for (const value of values) {
      if (value && !uses.has(value.name)) graph.initializers.delete(value.name);
    }
  }
}
