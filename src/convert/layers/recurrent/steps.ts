import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import { type ActivationSpec, activate } from '../../activations.ts';
import type { Bench } from '../../layer.ts';
import { integers } from '../../layout.ts';
import { type CellConfig, type CellWeights, gateCounts } from './config.ts';

/** One step of a cell in plain operators: x [N, in] and the states [N, units] give the next states, h first. */
export type Step = (
  graph: GraphBuilder,
  x: Value,
  states: readonly Value[],
) => readonly [Value, ...Value[]];

interface Cell {
  readonly config: CellConfig;
  readonly weights: CellWeights;
  readonly parameter: (name: string, source: TensorSource) => Value;
}

/** The step of a cell whose activations no recurrent operator of ONNX knows. */
export function stepOf({ config, weights, parameter }: Cell, bench: Bench): Step {
  const kernel = parameter('kernel', weights.kernel);
  const recurrentKernel = parameter('recurrent_kernel', weights.recurrent_kernel);
  const bias = weights.bias && parameter('bias', weights.bias);
  const math: Arithmetic = { config, kernel, recurrentKernel, bias, bench };
  return { SimpleRNN: simpleStep, GRU: gruStep, LSTM: lstmStep }[config.kind](math);
}

interface Arithmetic {
  readonly config: CellConfig;
  readonly kernel: Value;
  readonly recurrentKernel: Value;
  readonly bias: Value | undefined;
  readonly bench: Bench;
}

function applied(
  spec: ActivationSpec,
  x: Value,
  graph: GraphBuilder,
  { bench }: Arithmetic,
): Value {
  const { generation } = bench.origin;
  return activate(spec, { x, graph, lastAxis: x.shape.length - 1, generation });
}

/** Blocks of `units` columns. */
function gatesOf(x: Value, graph: GraphBuilder, { config }: Arithmetic): readonly Value[] {
  const sizes = Array.from({ length: gateCounts[config.kind] }, () => config.units);
  return graph.addAll('Split', [x, integers(graph, 'split', sizes)], { axis: 1 });
}

function plus(x: Value, bias: Value | undefined, graph: GraphBuilder): Value {
  return bias ? graph.add('Add', [x, bias]) : x;
}

function simpleStep(math: Arithmetic): Step {
  return (graph, x, [h = x]) => {
    const sum = graph.add('Add', [
      plus(graph.add('MatMul', [x, math.kernel]), math.bias, graph),
      graph.add('MatMul', [h, math.recurrentKernel]),
    ]);
    return [applied(math.config.activation, sum, graph, math)];
  };
}

function lstmStep(math: Arithmetic): Step {
  const { config } = math;
  return (graph, x, [h = x, c = x]) => {
    const sum = graph.add('Add', [
      plus(graph.add('MatMul', [x, math.kernel]), math.bias, graph),
      graph.add('MatMul', [h, math.recurrentKernel]),
    ]);
    const [i = sum, f = sum, g = sum, o = sum] = gatesOf(sum, graph, math);
    const gate = (z: Value): Value => applied(config.recurrentActivation, z, graph, math);
    const next = graph.add('Add', [
      graph.add('Mul', [gate(f), c]),
      graph.add('Mul', [gate(i), applied(config.activation, g, graph, math)]),
    ]);
    return [graph.add('Mul', [gate(o), applied(config.activation, next, graph, math)]), next];
  };
}

/** h' = z · h + (1 - z) · hh; the reset gate works on h, or on its product with the recurrent kernel. */
function gruStep(math: Arithmetic): Step {
  const { config, bench } = math;
  return (graph, x, [h = x]) => {
    const [inner, outer] = biasesOf(math, graph);
    const [xz = x, xr = x, xh = x] = gatesOf(
      plus(graph.add('MatMul', [x, math.kernel]), inner, graph),
      graph,
      math,
    );
    const gate = (a: Value, b: Value): Value =>
      applied(config.recurrentActivation, graph.add('Add', [a, b]), graph, math);
    const sizes = integers(bench.graph, 'split', [config.units, config.units, config.units]);
    const kernels = graph.addAll('Split', [math.recurrentKernel, sizes], { axis: 1 });
    const [hz = h, hr = h, hh = h] = config.resetAfter
      ? gatesOf(plus(graph.add('MatMul', [h, math.recurrentKernel]), outer, graph), graph, math)
      : kernels.slice(0, 2).map((kernel) => graph.add('MatMul', [h, kernel]));
    const z = gate(xz, hz);
    const r = gate(xr, hr);
    const past = config.resetAfter
      ? graph.add('Mul', [r, hh])
      : graph.add('MatMul', [graph.add('Mul', [r, h]), kernels[2] ?? h]);
    const candidate = applied(config.activation, graph.add('Add', [xh, past]), graph, math);
    const kept = graph.add('Mul', [z, graph.add('Sub', [h, candidate])]);
    return [graph.add('Add', [kept, candidate])];
  };
}

/** Of the input's product and of the recurrent one; the latter only in a cell that resets after it. */
function biasesOf(
  { config, bias }: Arithmetic,
  graph: GraphBuilder,
): readonly [Value | undefined, Value | undefined] {
  if (!bias || !config.resetAfter) return [bias, undefined];
  const row = (at: number): Value =>
    graph.add('Gather', [bias, graph.integers('row', [at], [])], { axis: 0 });
  return [row(0), row(1)];
}
