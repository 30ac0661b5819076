import { ToolkitError } from '../errors.ts';
import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { OpType } from '../onnx/ops.ts';
import type { Value } from '../tensor.ts';
import type { GradientRule } from './gradients/rule.ts';
import { flat, gradients } from './gradients.ts';
import type { Lowering, Unit } from './lowering/form.ts';
import { lowerings } from './lowering.ts';

/** What is differentiated by what. */
export interface Differentiation {
  readonly loss: Value;
  /** d(loss)/d(loss), in the shape of the loss: 1 for a scalar, or the weight of the loss in the whole. */
  readonly seed: Value;
  readonly targets: readonly Value[];
  /** Values that count as constants although they depend on a target. */
  readonly constants?: readonly Value[];
  readonly units?: readonly Unit[];
  /** The forms of gradients that the provider has; those for the CPU by default. */
  readonly lower?: Lowering;
}

/** A node or a unit on the way from the targets to the loss. */
interface Step {
  readonly op: OpType;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  /** From the gradients of the outputs to those of the inputs; `undefined` where no rule is known. */
  readonly gradient:
    | ((dys: readonly (Value | undefined)[]) => readonly (Value | undefined)[])
    | undefined;
}

/**
 * Appends to `graph` the nodes that compute d(loss)/d(target) for each target, by reverse accumulation.
 *
 * Only nodes between the targets and the loss are asked for a gradient. A target on which the loss does not depend
 * gets `undefined`. Throws GRADIENT_MISSING, which names all operators without a rule.
 */
export function backward(graph: GraphBuilder, asked: Differentiation): (Value | undefined)[] {
  const { loss, seed, targets } = asked;
  const length = graph.nodes.length;
  const steps = stepsOf(graph, asked);
  const moving = dependents(steps, asked);
  const path = stepsBetween(steps, moving, loss);
  refuseMissing(path, loss);
  const grads = new Map<string, Value>([[loss.name, seed]]);
  for (const { inputs, outputs, gradient } of path.toReversed()) {
    const dys = outputs.map(({ name }) => grads.get(name));
    if (!gradient || dys.every((dy) => dy === undefined)) continue;
    const parts = gradient(dys);
    inputs.forEach((input, i) => {
      const part = parts[i];
      if (!input || !part || !moving.has(input.name)) return;
      const summed = sumTo(graph, part, input);
      const before = grads.get(input.name);
      grads.set(input.name, before ? graph.add('Add', [before, summed]) : summed);
    });
  }
  const results = targets.map((target) => grads.get(target.name));
  dropUnused(graph, length, results);
  return results;
}

function stepsOf(
  graph: GraphBuilder,
  { units = [], lower = lowerings.cpu }: Differentiation,
): readonly Step[] {
  const unitOf = new Map(units.flatMap((unit) => unit.nodes.map((node) => [node, unit] as const)));
  return graph.nodes.flatMap((node): Step[] => {
    const unit = unitOf.get(node);
    if (!unit) return [nodeStep(graph, node, lower)];
    if (node !== unit.nodes.at(-1)) return [];
    const { op, inputs, output } = unit;
    const gradient: Step['gradient'] = ([dy]) => (dy ? unit.gradient(dy) : []);
    return [{ op, name: output.name, inputs, outputs: [output], gradient }];
  });
}

function nodeStep(graph: GraphBuilder, node: Node, lower: Lowering): Step {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table is keyed by the operator of the node
  const rule = gradients[node.op] as GradientRule<OpType> | undefined;
  const gradient: Step['gradient'] = (dys) => {
    const dy = dys.find((each) => each !== undefined);
    return rule && dy ? rule(node, dy, graph, { dys, lower }) : [];
  };
  return { ...node, gradient: rule && gradient };
}

/** Names of the values that move when a target moves. */
function dependents(
  steps: readonly Step[],
  { targets, constants = [] }: Differentiation,
): ReadonlySet<string> {
  const fixed = new Set(constants.map((value) => value.name));
  const moving = new Set(targets.map((target) => target.name));
  for (const step of steps) {
    if (flat.has(step.op)) continue;
    if (!step.inputs.some((input) => input && moving.has(input.name))) continue;
    for (const output of step.outputs) if (!fixed.has(output.name)) moving.add(output.name);
  }
  return moving;
}

/** The steps through which the loss depends on a target, in order. */
function stepsBetween(
  steps: readonly Step[],
  moving: ReadonlySet<string>,
  loss: Value,
): readonly Step[] {
  const wanted = new Set([loss.name]);
  const path = steps.toReversed().filter((step) => {
    const isBetween = step.outputs.some(({ name }) => wanted.has(name) && moving.has(name));
    if (isBetween) for (const input of step.inputs) if (input) wanted.add(input.name);
    return isBetween;
  });
  return path.toReversed();
}

function refuseMissing(path: readonly Step[], loss: Value): void {
  const missing = path.filter((step) => !step.gradient);
  const [first] = missing;
  if (!first) return;
  const list = missing.map((step) => `${step.op} (${wayTo(path, step, loss)})`).join('; ');
  throw new ToolkitError('GRADIENT_MISSING', `No gradient is known for ${list}`, {
    where: { node: first.name },
    hint: 'Train only layers behind these nodes, or add rules to src/train/gradients.ts.',
  });
}

/** The steps from the loss back to one of them, by name. */
function wayTo(path: readonly Step[], step: Step, loss: Value): string {
  const users = new Map<string, Step>();
  for (const each of path) for (const input of each.inputs) if (input) users.set(input.name, each);
  const way = [step];
  for (let at: Step | undefined = step; at && !at.outputs.some((y) => y.name === loss.name); ) {
    at = at.outputs.map(({ name }) => users.get(name)).find(Boolean);
    if (at) way.push(at);
  }
  const names = way.toReversed().map(({ name }) => name);
  const short = names.length > 8 ? [...names.slice(0, 3), '…', ...names.slice(-4)] : names;
  return `loss ← ${short.join(' ← ')}`;
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
      if (isUsed) for (const name of namesIn(node)) used.add(name);
      return isUsed;
    });
  graph.nodes.push(...kept.toReversed());
}

/** What a node needs: its inputs, and what its body uses of the graph around it. */
function namesIn({ inputs, body }: Node): readonly (string | undefined)[] {
  const own = inputs.map((input) => input?.name);
  return body ? [...own, ...body.nodes.flatMap(namesIn)] : own;
}
