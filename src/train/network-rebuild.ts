import { ToolkitError } from '../errors.ts';
import { GraphBuilder, type Node } from '../onnx/graph.ts';
import type { OpType } from '../onnx/ops.ts';
import type { Provider } from '../runtime/providers.ts';
import { byteLengthOf, type Shape, type Value } from '../tensor.ts';
import { type BatchStatistics, normaliseByBatch } from './batch-statistics.ts';
import type { Unit } from './lowering/form.ts';
import { lowerings } from './lowering.ts';
import type { NetworkPlan } from './network-plan.ts';
import { oneBias } from './recurrent-parameters.ts';

/** A mask that is fed at each step. */
export interface MaskInput {
  readonly input: string;
  /** The batch and other sizes that the graph leaves open have the names that they have in its inputs. */
  readonly shape: Shape;
  readonly rate: number;
}

/** Frozen weights from so many bytes on are fed, so that both graphs of a network share them. */
const fedBytes = 16 * 2 ** 20;

/** A plan's graph again. */
export interface Rebuilt {
  readonly graph: GraphBuilder;
  readonly inputs: readonly Value[];
  readonly output: Value;
  /** Every value of the plan's graph by its name there. */
  readonly values: ReadonlyMap<string, Value>;
  readonly fed: readonly string[];
  readonly masks: readonly MaskInput[];
  readonly statistics: ReadonlyMap<string, Value>;
  readonly units: readonly Unit[];
}

interface Rebuilding {
  readonly graph: GraphBuilder;
  readonly values: Map<string, Value>;
  readonly masks: MaskInput[];
  readonly statistics: Map<string, Value>;
  readonly units: Unit[];
  readonly plan: NetworkPlan;
  readonly isTraining: boolean;
  readonly provider: Provider;
}

/** The plan's graph again, with its parameters as inputs; to train, with masks and statistics of the batch. */
export function rebuild(
  plan: NetworkPlan,
  { isTraining, provider }: { readonly isTraining: boolean; readonly provider: Provider },
): Rebuilt {
  const graph = new GraphBuilder();
  const state: Rebuilding = {
    graph,
    values: new Map(),
    masks: [],
    statistics: new Map(),
    units: [],
    plan,
    isTraining,
    provider,
  };
  const inputs = plan.graph.inputs.map((input) => {
    const value = graph.input(input.name, input.dtype, ['n', ...input.shape.slice(1)]);
    state.values.set(input.name, dropped(state, input.name, value));
    return value;
  });
  const fed = fedNames(plan);
  for (const [name, source] of plan.graph.initializers) {
    const value = fed.has(name)
      ? graph.input(name, source.dtype, source.shape)
      : graph.initializer(name, source);
    state.values.set(name, value);
  }
  restoreConstants(plan.graph, state.values);
  for (const node of plan.graph.nodes) rebuildNode(state, node);
  const [output] = plan.graph.outputs;
  if (!output) throw new Error('Bug: a network has an output');
  return { ...state, inputs, fed: [...fed], output: valueOf(state.values, output.name) };
}

/** What moves, and large weights that do not. */
function fedNames({ graph, parameters, batchNormalization }: NetworkPlan): Set<string> {
  const missing = parameters.find(({ name }) => !graph.initializers.has(name));
  if (missing) {
    throw new ToolkitError('ONNX_VALUE_UNKNOWN', `The network has no weight "${missing.name}"`, {
      hint: `Its weights: ${[...graph.initializers.keys()].slice(0, 60).join(', ')}.`,
    });
  }
  const large = [...graph.initializers].filter(([, source]) => byteLengthOf(source) >= fedBytes);
  return new Set([
    ...parameters.map(({ name }) => name),
    ...large.map(([name]) => name),
    ...(batchNormalization && batchNormalization !== 'frozen'
      ? statisticsOf(graph, batchNormalization)
      : []),
  ]);
}

/** Names of the running means and variances that follow the batches. */
export function statisticsOf(graph: GraphBuilder, by: BatchStatistics): string[] {
  return graph.nodes.flatMap((node) =>
    isByBatch(node, by) ? node.inputs.slice(3).flatMap((input) => input?.name ?? []) : [],
  );
}

function isByBatch(node: Node, { nodes }: BatchStatistics): boolean {
  return node.op === 'BatchNormalization' && (nodes?.includes(node.name) ?? true);
}

/** Axes, shapes and scales whose numbers shape rules ask for are known to the values of the plan's nodes. */
function restoreConstants(graph: GraphBuilder, values: Map<string, Value>): void {
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      const value = input?.constant && values.get(input.name);
      const isInput = value && !value.constant && graph.initializers.has(value.name);
      if (input?.constant && isInput)
        values.set(input.name, { ...value, constant: input.constant });
    }
  }
}

function rebuildNode(state: Rebuilding, node: Node): void {
  const { graph, values, plan } = state;
  const stored = node.inputs.map((input) => input && valueOf(values, input.name));
  const bias = state.isTraining && oneBias(state, node, stored[3]);
  const inputs = bias ? stored.with(3, bias) : stored;
  const by = plan.batchNormalization;
  if (state.isTraining && by && by !== 'frozen' && isByBatch(node, by)) {
    const { y, statistics } = normaliseByBatch(graph, { node, inputs, by });
    node.inputs.slice(3).forEach((input, i) => {
      const moved = statistics[i];
      if (input && moved) state.statistics.set(input.name, moved);
    });
    values.set(node.outputs[0].name, dropped(state, node.outputs[0].name, y));
    return;
  }
  const outputs = copied(state, node, inputs);
  node.outputs.forEach(({ name }, i) => {
    const output = outputs[i];
    if (output) values.set(name, dropped(state, name, output));
  });
}

function copied(
  state: Rebuilding,
  node: Node,
  inputs: readonly (Value | undefined)[],
): readonly Value[] {
  const { graph, provider, isTraining } = state;
  const [x] = inputs;
  if (node.op === 'LogSoftmax' && x && 'axis' in node.attributes) {
    return [lowerings[provider].logSoftmax(graph, x, node.attributes.axis)];
  }
  const trained = isTraining && trainedConvolution(state, node, inputs);
  if (trained) return [trained];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- replay refuses loops, and heads have none
  const op = node.op as Exclude<OpType, 'Loop' | 'Scan'>;
  const outputs = node.outputs.map(({ name }) => name);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- inputs and attributes are those of a node of the same table
  return graph.copy({ op, name: node.name, outputs }, inputs as never, node.attributes as never);
}

function isConvolution(node: Node): node is Node<'Conv'> {
  return node.op === 'Conv';
}

/** The faster form of a convolution whose kernel learns, if there is one. */
function trainedConvolution(
  { graph, plan, provider, units }: Rebuilding,
  node: Node,
  [x, w, bias]: readonly (Value | undefined)[],
): Value | undefined {
  const kernel = node.inputs[1];
  const isTrained = plan.parameters.some(({ name }) => name === kernel?.name);
  if (!isConvolution(node) || !isTrained || !x || !w) {
    return undefined;
  }
  const window = node.attributes;
  const made = lowerings[provider].trainedConvolution(graph, { window, x, w, bias });
  if (made) units.push(made.unit);
  return made?.y;
}

/** The value after its dropout, if numbers are dropped there. */
function dropped(
  { graph, masks, plan, isTraining }: Rebuilding,
  name: string,
  value: Value,
): Value {
  const site = isTraining && plan.dropout?.find(({ at, rate }) => at === name && rate > 0);
  if (!site) return value;
  const mask = graph.input(`${name}:kept`, 'bool', value.shape);
  masks.push({ input: mask.name, shape: value.shape, rate: site.rate });
  const grown = graph.add('Mul', [value, graph.floats('grown', [1 / (1 - site.rate)])]);
  return graph.add('Where', [mask, grown, graph.floats('zero', [0])]);
}

/** A value of the plan's graph in the new one. */
export function valueOf(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name);
  if (!value) throw new Error(`Bug: "${name}" is not in the network's graph`);
  return value;
}
