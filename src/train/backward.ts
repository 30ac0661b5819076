import { ToolkitError } from '../errors.ts';
import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { OpType } from '../onnx/ops.ts';
import type { Value } from '../tensor.ts';
import type { GradientRule } from './gradients/rule.ts';
import { flat, gradients } from './gradients.ts';

/** What is differentiated by what. */
export interface Differentiation {
  readonly loss: Value;
  /** d(loss)/d(loss), in the shape of the loss: 1 for a scalar, or the weight of the loss in the whole. */
  readonly seed: Value;
  readonly targets: readonly Value[];
  /** Values that count as constants although they depend on a target. */
  readonly constants?: readonly Value[];
}

/**
 * Appends to `graph` the nodes that compute d(loss)/d(target) for each target, by reverse accumulation.
 *
 * Only nodes between the targets and the loss are asked for a gradient. A target on which the loss does not depend
 * gets `undefined`. Throws GRADIENT_MISSING, which names all operators without a rule.
 */
export function backward(
  graph: GraphBuilder,
  { loss, seed, targets, constants = [] }: Differentiation,
): (Value | undefined)[] {
  const forward = [...graph.nodes];
  const moving = dependents(forward, targets, constants);
  const path = nodesBetween(forward, moving, loss);
  refuseMissing(path);
  const grads = new Map<string, Value>([[loss.name, seed]]);
  for (const node of path.toReversed()) {
    const dy = grads.get(node.outputs[0].name);
    if (!dy) continue;
    const parts = ruleOf(node)?.(node, dy, graph) ?? [];
    node.inputs.forEach((input, i) => {
      const part = parts[i];
      if (!input || !part || !moving.has(input.name)) return;
      const summed = sumTo(graph, part, input);
      const before = grads.get(input.name);
      grads.set(input.name, before ? graph.add('Add', [before, summed]) : summed);
    });
  }
  const results = targets.map((target) => grads.get(target.name));
  dropUnused(graph, forward.length, results);
  return results;
}

/** Names of the values that move when a target moves. */
function dependents(
  nodes: readonly Node[],
  targets: readonly Value[],
  constants: readonly Value[],
): ReadonlySet<string> {
  const fixed = new Set(constants.map((value) => value.name));
  const moving = new Set(targets.map((target) => target.name));
  for (const node of nodes) {
    if (flat.has(node.op)) continue;
    if (!node.inputs.some((input) => input && moving.has(input.name))) continue;
    for (const output of node.outputs) if (!fixed.has(output.name)) moving.add(output.name);
  }
  return moving;
}

/** The nodes through which the loss depends on a target, in order. */
function nodesBetween(
  nodes: readonly Node[],
  moving: ReadonlySet<string>,
  loss: Value,
): readonly Node[] {
  const wanted = new Set([loss.name]);
  const path = nodes.toReversed().filter((node) => {
    const isBetween = node.outputs.some(({ name }) => wanted.has(name) && moving.has(name));
    if (isBetween) for (const input of node.inputs) if (input) wanted.add(input.name);
    return isBetween;
  });
  return path.toReversed();
}

function refuseMissing(path: readonly Node[]): void {
  const missing = path.filter((node) => !ruleOf(node));
  const [first] = missing;
  if (!first) return;
  const list = missing.map((node) => `${node.op} (node "${node.name}")`).join(', ');
  throw new ToolkitError('GRADIENT_MISSING', `No gradient is known for ${list}`, {
    where: { node: first.name },
    hint: 'Train only layers behind these nodes, or add rules to src/train/gradients.ts.',
  });
}

function ruleOf(node: Node): GradientRule<OpType> | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table is keyed by the operator of the node
  return gradients[node.op] as GradientRule<OpType> | undefined;
}

/** Undoes broadcasting: sums `gradient` over the axes along which `input` was stretched, and gives them back their size 1. */
function sumTo(graph: GraphBuilder, gradient: Value, input: Value): Value {
  const extra = gradient.shape.length - input.shape.length;
  const axes = gradient.shape.flatMap((dim, axis) =>
    axis < extra || (input.shape[axis - extra] === 1 && dim !== 1) ? [axis] : [],
  );
  if (axes.length === 0) return gradient;
  const along = graph.integers('axes', axes);
  if (axes.length === extra) return graph.add('ReduceSum', [gradient, along], { keepdims: 0 });
  const sum = graph.add('ReduceSum', [gradient, along], { keepdims: 1 });
  if (extra === 0) return sum;
  const leading = axes.filter((axis) => axis < extra);
  return graph.add('Squeeze', [sum, graph.integers('axes', leading)]);
}

/** Rules answer for every input; what no target needed goes out of the graph again. */
function dropUnused(
  graph: GraphBuilder,
  from: number,
  results: readonly (Value | undefined)[],
): void {
  const used = new Set(results.map((result) => result?.name));
  const kept = graph.nodes
    .splice(from)
    .toReversed()
    .filter((node) => {
      const isUsed = node.outputs.some((output) => used.has(output.name));
      if (isUsed) for (const input of node.inputs) used.add(input?.name);
      return isUsed;
    });
  graph.nodes.push(...kept.toReversed());
}
