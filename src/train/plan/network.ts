import { ToolkitError } from '../../errors.ts';
import type { LayerRecord } from '../../onnx/card.ts';
import { GraphBuilder } from '../../onnx/graph.ts';
import type { StoredModel } from '../../onnx/read.ts';
import { floatSource } from '../../source.ts';
import { sizeOf } from '../../tensor.ts';
import { type BuiltHead, buildHead, type HeadPlan } from '../heads/build.ts';
import { replay } from '../replay.ts';
import { type CutPoint, lastCut } from './cut-point.ts';
import { layersOf, type PlanLayer } from './layers.ts';
import { type Choosable, selectLayers } from './select.ts';

/** Numbers that training made of parameters, by initializer. */
export type Learned = ReadonlyMap<string, Float32Array>;

/** A base up to a value, and what comes after it; none of it in memory. */
export interface TrainedNetwork extends Choosable {
  readonly base: StoredModel;
  /** The value of the base from which on there is a new head; its output, where it keeps its own. */
  readonly at: string;
  /** Without layers where the base keeps its own end. */
  readonly headPlan: HeadPlan;
  /** The layers of the card of the new model. */
  readonly records: readonly LayerRecord[] | undefined;
}

/** The layers that stay, and those of the head behind them. */
export function networkOf(
  base: StoredModel,
  {
    at,
    kept,
    headPlan,
  }: {
    readonly at: string;
    readonly kept: readonly LayerRecord[] | undefined;
    readonly headPlan: HeadPlan;
  },
): TrainedNetwork {
  const stored = layersOf(base);
  const before = kept
    ? stored.slice(0, kept.length)
    : stored.filter((layer) => isBefore(base, at, layer));
  const { records, graph } = headAlone(base, at, headPlan);
  const fresh = records.map((record, i) => layerOf(record, before.length + i, graph));
  const last = before.findLast(({ size }) => size > 0);
  const isKept = headPlan.layers.length === 0;
  return {
    base,
    at,
    headPlan,
    layers: [...before, ...fresh],
    head: new Set(isKept ? [last?.name ?? ''] : fresh.map(({ name }) => name)),
    records: kept && [...kept, ...records],
  };
}

function isBefore(base: StoredModel, at: string, layer: PlanLayer): boolean {
  const end = base.nodes.findIndex(({ outputs }) => outputs.includes(at));
  return base.nodes.findIndex(({ outputs }) => outputs.includes(layer.output ?? '')) <= end;
}

function layerOf(record: LayerRecord, index: number, graph: GraphBuilder): PlanLayer {
  const parameters = record.parameters.map(({ name }) => name);
  const sizes = parameters.map((name) => sizeOf(graph.initializers.get(name)?.shape ?? [0]));
  return {
    name: record.name,
    class: record.class,
    index,
    parameters,
    size: sizes.reduce((sum, size) => sum + size, 0),
    shape: record.shape,
    output: record.output ?? undefined,
    rate: record.rate,
  };
}

/** The head on a graph of its own, whose input is the value at which the base is cut. */
function headAlone(
  base: StoredModel,
  at: string,
  plan: HeadPlan,
): BuiltHead & { readonly graph: GraphBuilder } {
  const value = base.values.get(at);
  if (!value) throw unknownShape(base, at);
  const graph = new GraphBuilder();
  const built = buildHead(
    graph,
    graph.input(at, value.dtype, ['N', ...value.shape.slice(1)]),
    plan,
  );
  graph.output(built.output);
  return { ...built, graph };
}

/** Which part of a network learns. */
export interface StagePart {
  readonly layers: readonly PlanLayer[];
  /** Where the frozen part ends. */
  readonly cut: CutPoint;
}

/** The layers that a choice means, and the last value before all of them. Throws OPTION_INVALID, ONNX_VALUE_UNKNOWN. */
export function partOf(network: TrainedNetwork, choice: string): StagePart {
  const layers = selectLayers(choice, network);
  const names = new Set(layers.flatMap(({ parameters }) => parameters));
  return { layers, cut: lastCut(network.base, network.at, names) };
}

/** The learning part as a graph in inference form: from the cut to the output, with what was learned before. */
export function graphOfPart(
  network: TrainedNetwork,
  cut: CutPoint,
  learned: Learned,
): GraphBuilder {
  const { base, at, headPlan } = network;
  const graph = cut.name === at ? headAlone(base, at, headPlan).graph : wholePart(network, cut);
  return withLearned(graph, learned);
}

/** The head with what it has learned, on a graph whose input is the value at which the base is cut. */
export function learnedHead(
  { base, at, headPlan }: TrainedNetwork,
  learned: Learned,
): GraphBuilder {
  return withLearned(headAlone(base, at, headPlan).graph, learned);
}

function withLearned(graph: GraphBuilder, learned: Learned): GraphBuilder {
  for (const [name, numbers] of learned) {
    const source = graph.initializers.get(name);
    if (source) graph.initializers.set(name, floatSource(source.shape, numbers));
  }
  return graph;
}

function wholePart({ base, at, headPlan }: TrainedNetwork, cut: CutPoint): GraphBuilder {
  const { graph, values } = replay(base, { from: [cut.name], to: at });
  const feature = values.get(at);
  if (!feature) throw unknownShape(base, at);
  graph.output(buildHead(graph, feature, headPlan).output);
  return graph;
}

function unknownShape(base: StoredModel, at: string): ToolkitError {
  return new ToolkitError('ONNX_VALUE_UNKNOWN', `The shape of "${at}" is not known`, {
    where: { file: base.path },
    hint: 'Take the features at a value of a known shape.',
  });
}
