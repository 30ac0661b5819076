import type { GraphBuilder } from '../onnx/graph.ts';
import type { Provider } from '../runtime/providers.ts';
import type { Value } from '../tensor.ts';
import { backward } from './backward.ts';
import { type FactorNames, takeFactors } from './factored.ts';
import { lowerings } from './lowering.ts';
import { measure, targetInput } from './network-loss.ts';
import type { NetworkPlan } from './network-plan.ts';
import { type MaskInput, type Rebuilt, rebuild, valueOf } from './network-rebuild.ts';
import { isPiecewise } from './norm-limits.ts';
import { applyOptimizer } from './update.ts';

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
    readonly gradients: readonly (string | FactorNames | undefined)[];
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
  /** `graph`: parameters and slots go in and come out new. `pieces`: gradients come out. */
  readonly update: 'graph' | 'pieces';
}

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
  if (update === 'pieces') {
    const isByPieces = isPiecewise(plan.optimizer);
    const fetched = gradients.map((gradient) => {
      const factors = isByPieces && gradient ? takeFactors(graph, gradient) : undefined;
      if (factors || !gradient) return factors;
      const own = distinct(graph, gradient);
      graph.output(own);
      return own.name;
    });
    return {
      graph,
      feeds: { ...feeds, rate: '', iteration: '', slots: [] },
      fetches: { ...common.fetches, gradients: fetched },
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
