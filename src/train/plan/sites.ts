import type { GraphBuilder } from '../../onnx/graph.ts';
import { sizeOf } from '../../tensor.ts';
import type { PlanLayer } from './layers.ts';
import { type Choosable, selectLayers } from './select.ts';

/** Weights of layers that the optimizer moves: not the moving statistics of a normalisation. */
export function trainableNames(
  graph: GraphBuilder,
  layers: readonly PlanLayer[],
): readonly string[] {
  const statistics = new Set(
    graph.nodes.flatMap(({ op, inputs }) =>
      op === 'BatchNormalization' ? inputs.slice(3).map((value) => value?.name) : [],
    ),
  );
  const names = layers.flatMap(({ parameters }) => parameters);
  return [...new Set(names)].filter(
    (name) => graph.initializers.has(name) && !statistics.has(name),
  );
}

/** Names of the nodes that normalise in these layers. */
export function normalisationNodes(
  graph: GraphBuilder,
  layers: readonly PlanLayer[],
): readonly string[] {
  const names = new Set(layers.flatMap(({ parameters }) => parameters));
  return graph.nodes.flatMap(({ op, name, inputs }) =>
    op === 'BatchNormalization' && inputs.some((value) => names.has(value?.name ?? ''))
      ? [name]
      : [],
  );
}

/** Where numbers are dropped while a part learns: at the values that its Dropout layers pass on; `share` overrules theirs. */
export function dropoutSites(
  graph: GraphBuilder,
  layers: readonly PlanLayer[],
  share: number | undefined,
): readonly { readonly at: string; readonly rate: number }[] {
  const values = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs }) => outputs.map(({ name }) => name)),
  ]);
  return layers.flatMap(({ class: kind, output, rate: own }) => {
    const rate = share ?? own ?? 0;
    const isThere = kind === 'Dropout' && output !== undefined && values.has(output);
    return isThere && rate > 0 ? [{ at: output, rate }] : [];
  });
}

/** The share of the learning rate of each weight: of the first choice that its layer fits, else 1. */
export function rateFactors(
  model: Choosable,
  factors: Readonly<Record<string, number>>,
): (parameter: string) => number {
  const choices = Object.entries(factors).map(([choice, factor]) => {
    const names = selectLayers(choice, model).flatMap(({ parameters }) => parameters);
    return { names: new Set(names), factor };
  });
  return (parameter) => choices.find(({ names }) => names.has(parameter))?.factor ?? 1;
}

/** What training a part takes, in bytes. */
export interface PartMemory {
  readonly weights: number;
  /** Of those that are whole at some time. */
  readonly gradients: number;
  readonly state: number;
  /** Of a batch, each with its gradient. */
  readonly activations: number;
  readonly total: number;
}

/** Weights of the part; whole gradients and optimizer's tensors of what learns; each value of the part twice for a batch. */
export function partMemory(
  graph: GraphBuilder,
  {
    parameters,
    inFactors,
    slots,
    batchSize,
  }: {
    readonly parameters: readonly string[];
    /** Those whose gradient is never whole, but two matrices of a row a sample. */
    readonly inFactors: ReadonlySet<string>;
    readonly slots: number;
    readonly batchSize: number;
  },
): PartMemory {
  const bytes = (names: Iterable<string>): number =>
    [...names].reduce(
      (sum, name) => sum + 4 * sizeOf(graph.initializers.get(name)?.shape ?? [0]),
      0,
    );
  const values = graph.nodes.flatMap(({ outputs }) => [...outputs]);
  const numbers = [...graph.inputs, ...values].reduce(
    (sum, { shape }) =>
      sum + shape.reduce<number>((size, dim) => (typeof dim === 'number' ? size * dim : size), 1),
    0,
  );
  const weights = bytes(graph.initializers.keys());
  const whole = bytes(parameters.filter((name) => !inFactors.has(name)));
  const factors = [...inFactors].flatMap((name) => graph.initializers.get(name)?.shape ?? []);
  const gradients = whole + factors.reduce((sum, size) => sum + 4 * batchSize * size, 0);
  const state = bytes(parameters) * slots;
  const activations = 2 * 4 * batchSize * numbers;
  return {
    weights,
    gradients,
    state,
    activations,
    total: weights + gradients + state + activations,
  };
}
