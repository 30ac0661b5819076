import { ToolkitError } from '../errors.ts';
import { GraphBuilder, type Node } from '../onnx/graph.ts';
import type { OpType } from '../onnx/ops.ts';
import type { Provider } from '../runtime/providers.ts';
import { byteLengthOf, type Value } from '../tensor.ts';
import { isPiecewise } from './array-update.ts';
import { backward } from './backward.ts';
import { type BatchStatistics, normaliseByBatch } from './batch-statistics.ts';
import type { Unit } from './lowering/form.ts';
import { lowerings } from './lowering.ts';
import { measure, type NetworkLoss, targetInput } from './network-loss.ts';
import type { Optimizer } from './optimizers.ts';
import { type GradientFactors, takeFactors } from './outer-gradient.ts';
import { applyOptimizer, type ParameterSettings } from './update.ts';

/** A parameter that the optimizer moves, by the name of its initializer. */
export interface TrainedParameter extends ParameterSettings {
  readonly name: string;
}

/** Where numbers are dropped while training. */
export interface DropoutSite {
  /** The value of which they are. */
  readonly at: string;
  /** The share that is dropped; the rest is made larger by 1 / (1 - rate). */
  readonly rate: number;
}

/** A network and how it is trained. */
export interface NetworkPlan extends NetworkLoss {
  /** In inference form: inputs [n, ...] are what is fed, the first output is what is judged. */
  readonly graph: GraphBuilder;
  /** Running statistics of BatchNormalization are not among them: they follow `batchNormalization`. */
  readonly parameters: readonly TrainedParameter[];
  /** Default `frozen`: the statistics in the file are used and stay. */
  readonly batchNormalization?: 'frozen' | BatchStatistics | undefined;
  readonly dropout?: readonly DropoutSite[] | undefined;
  readonly optimizer: Optimizer;
  readonly batchSize: number;
}

/** A mask that is fed at each step. */
interface MaskInput {
  readonly input: string;
  /** Numbers a row. */
  readonly shape: readonly number[];
  readonly rate: number;
}

/** A graph of a network, and the names by which it is fed and read. */
export interface NetworkGraph {
  readonly graph: GraphBuilder;
  readonly feeds: {
    readonly inputs: readonly Value[];
    readonly targets: Value;
    readonly weights: string;
    /** Names of initializers that are fed instead of being kept inside. */
    readonly fed: readonly string[];
    readonly masks: readonly MaskInput[];
    /** Scalar: what the summed loss is multiplied by. */
    readonly scale: string;
    readonly rate: string;
    readonly iteration: string;
    readonly slots: readonly string[];
  };
  readonly fetches: {
    readonly lossSum: string;
    readonly correct: string;
    readonly saturated: string;
    readonly output: string;
    /** For each trained parameter its gradient, or its factors; `undefined` where the loss does not depend on it. */
    readonly gradients: readonly (string | GradientFactors | undefined)[];
    /** Updated parameters and slots, when the graph updates them. */
    readonly parameters: readonly string[];
    readonly slots: readonly string[];
    /** New running statistics by initializer. */
    readonly statistics: ReadonlyMap<string, string>;
  };
}

/** Where the update is computed. */
export interface StepForm {
  readonly provider: Provider;
  /** `graph`: parameters and slots go in and come out new. `arrays`: gradients come out. */
  readonly update: 'graph' | 'arrays';
}

/** Frozen weights from so many bytes on are fed, so that both graphs of a network share them. */
const fedBytes = 16 * 2 ** 20;

/** Forward, backward and, on request, update of one batch as one graph. Throws GRADIENT_MISSING and OPTION_INVALID. */
export function stepGraph(plan: NetworkPlan, { provider, update }: StepForm): NetworkGraph {
  const rebuilt = rebuild(plan, { isTraining: true, provider });
  const { graph, output, values } = rebuilt;
  const target = targetInput(graph, plan, output);
  const weights = graph.input('weights', 'float32', ['n']);
  const scale = graph.input('scale', 'float32', []);
  const measured = measure(graph, plan, output, { target, weights });
  const parameters = plan.parameters.map(({ name }) => valueOf(values, name));
  const gradients = backward(graph, {
    loss: measured.lossSum,
    seed: scale,
    targets: parameters,
    constants: measured.constants,
    units: rebuilt.units,
    lower: lowerings[provider],
  });
  const common = commonNames(rebuilt, { target, weights, measured });
  const feeds = { ...common.feeds, scale: scale.name };
  if (update === 'arrays') {
    const isByPieces = isPiecewise(plan.optimizer);
    const own = gradients.map((gradient) => {
      const factors = isByPieces && gradient ? takeFactors(graph, gradient) : undefined;
      if (factors || !gradient) return factors;
      const output = distinct(graph, gradient);
      graph.output(output);
      return output.name;
    });
    return {
      graph,
      feeds: { ...feeds, rate: '', iteration: '', slots: [] },
      fetches: { ...common.fetches, gradients: own },
    };
  }
  return withUpdate(plan, { graph, feeds, fetches: common.fetches }, { parameters, gradients });
}

/** The same network as it runs, with its measures. */
export function evaluationGraphOf(plan: NetworkPlan, provider: Provider): NetworkGraph {
  const rebuilt = rebuild(plan, { isTraining: false, provider });
  const { graph, output } = rebuilt;
  const target = targetInput(graph, plan, output);
  const weights = graph.input('weights', 'float32', ['n']);
  const measured = measure(graph, plan, output, { target, weights });
  const { feeds, fetches } = commonNames(rebuilt, { target, weights, measured });
  return { graph, feeds: { ...feeds, scale: '', rate: '', iteration: '', slots: [] }, fetches };
}

type Names = Pick<NetworkGraph, 'fetches'> & {
  readonly feeds: Omit<NetworkGraph['feeds'], 'scale' | 'rate' | 'iteration' | 'slots'>;
};

function commonNames(
  { graph, inputs, fed, masks, output, statistics }: Rebuilt,
  {
    target,
    weights,
    measured,
  }: {
    readonly target: Value;
    readonly weights: Value;
    readonly measured: ReturnType<typeof measure>;
  },
): Names {
  const { lossSum, correct, saturated } = measured;
  const results = [lossSum, correct, saturated, output].map((value) => distinct(graph, value));
  for (const value of [...results, ...statistics.values()]) graph.output(value);
  const [loss = '', right = '', full = '', out = ''] = results.map(({ name }) => name);
  return {
    feeds: { inputs, targets: target, weights: weights.name, fed, masks },
    fetches: {
      lossSum: loss,
      correct: right,
      saturated: full,
      output: out,
      gradients: [],
      parameters: [],
      slots: [],
      statistics: new Map([...statistics].map(([name, value]) => [name, value.name])),
    },
  };
}

/** Outputs of a graph must be made by a node, and each by its own. */
function distinct(graph: GraphBuilder, value: Value): Value {
  const isMade = graph.nodes.some(({ outputs }) => outputs.includes(value));
  return isMade && !graph.outputs.includes(value) ? value : graph.add('Identity', [value]);
}

function withUpdate(
  plan: NetworkPlan,
  {
    graph,
    feeds,
    fetches,
  }: Pick<NetworkGraph, 'graph' | 'fetches'> & {
    readonly feeds: Names['feeds'] & Pick<NetworkGraph['feeds'], 'scale'>;
  },
  {
    parameters,
    gradients,
  }: { readonly parameters: readonly Value[]; readonly gradients: readonly (Value | undefined)[] },
): NetworkGraph {
  const rate = graph.input('learning_rate', 'float32', []);
  const iteration = graph.input('iteration', 'float32', []);
  const slots = parameters.flatMap(({ name, shape }) =>
    plan.optimizer.slots.map((slot) => graph.input(`${name}:${slot.name}`, 'float32', shape)),
  );
  const trainable = { parameters, gradients, slots, rate, iteration, settings: plan.parameters };
  const updated = applyOptimizer(graph, plan.optimizer, trainable);
  const results = [...updated.parameters, ...updated.slots].map((value) => distinct(graph, value));
  for (const value of results) graph.output(value);
  const names = results.map(({ name }) => name);
  return {
    graph,
    feeds: {
      ...feeds,
      rate: rate.name,
      iteration: iteration.name,
      slots: slots.map(({ name }) => name),
    },
    fetches: {
      ...fetches,
      parameters: names.slice(0, parameters.length),
      slots: names.slice(parameters.length),
    },
  };
}

interface Rebuilt {
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
function rebuild(
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
  const inputs = node.inputs.map((input) => input && valueOf(values, input.name));
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
  const shape = value.shape.slice(1).map(Number);
  masks.push({ input: mask.name, shape, rate: site.rate });
  const grown = graph.add('Mul', [value, graph.floats('grown', [1 / (1 - site.rate)])]);
  return graph.add('Where', [mask, grown, graph.floats('zero', [0])]);
}

function valueOf(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name);
  if (!value) throw new Error(`Bug: "${name}" is not in the network's graph`);
  return value;
}
