import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import type { Provider } from '../../src/runtime/providers.ts';
import { openSession, type Tensor } from '../../src/runtime/session.ts';
import type { Value } from '../../src/tensor.ts';
import { backward } from '../../src/train/backward.ts';
import type { Unit } from '../../src/train/lowering/form.ts';
import { lowerings } from '../../src/train/lowering.ts';
import { expectClose } from '../tolerance.ts';

const input = z.object({
  shape: z.array(z.number()),
  data: z.array(z.number()),
  /** Whole numbers, and float32 numbers that shapes follow from, are constants of the graph. */
  dtype: z.enum(['float32', 'int64', 'bool', 'constant']),
});

const fixture = z.object({
  op: z.string(),
  what: z.string(),
  attributes: z.record(z.string(), z.unknown()),
  inputs: z.array(input.nullable()),
  /** One for each output that has a gradient. */
  dy: z.array(z.array(z.number())),
  y: z.array(z.array(z.number())),
  gradients: z.array(z.array(z.number()).nullable()),
});

/** One case that JAX computed in float64. */
export type GradientFixture = z.infer<typeof fixture>;

/** The cases of test/fixtures/train/gradients.json, see make_gradients.py beside it. */
export function readGradientFixtures(): GradientFixture[] {
  const file = new URL('../fixtures/train/gradients.json', import.meta.url);
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return z.object({ cases: z.array(fixture) }).parse(parsed).cases;
}

type Emit = (
  graph: GraphBuilder,
  expected: GradientFixture,
  values: readonly (Value | null)[],
) => { readonly outputs: readonly Value[]; readonly units?: readonly Unit[] };

const emitNode: Emit = (graph, expected, values) => ({
  outputs: graph.addAll(
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fixture names operators of the table
    expected.op as 'Add',
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- with as many inputs as it takes
    values.map((value) => value ?? undefined) as never,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- and its attributes
    ...([expected.attributes] as never as []),
  ),
});

/** Runs the operator and its gradient, in the forms for `forms`, on `provider`, and compares both with the fixture. */
export async function checkFixture(
  expected: GradientFixture,
  {
    forms,
    provider = 'cpu',
    emit = emitNode,
  }: { readonly forms: Provider; readonly provider?: Provider; readonly emit?: Emit },
): Promise<void> {
  const graph = new GraphBuilder();
  const values = expected.inputs.map((each, i) => each && valueOf(graph, each, i));
  const { outputs, units = [] } = emit(graph, expected, values);
  const targets = values.filter((_, i) => expected.gradients[i]).filter((value) => value !== null);
  const feeds = feedsOf(expected, outputs);
  const results = sumOfProducts(graph, {
    expected,
    outputs,
    targets,
    units,
    lower: lowerings[forms],
  });
  for (const value of results) graph.output(value);
  const session = await openSession(encodeModel(graph, { name: 'gradient' }), { provider });
  try {
    const found = await session.run(feeds);
    const wanted = [...expected.y, ...expected.gradients.filter((each) => each !== null)];
    for (const [i, value] of results.entries()) {
      expectClose(Float64Array.from(found[value.name]?.data ?? [], Number), wanted[i] ?? [], {
        rtol: 1e-4,
        atol: 2e-5,
      });
    }
  } finally {
    await session.close();
  }
}

type FixtureInput = z.infer<typeof input>;

function valueOf(graph: GraphBuilder, { shape, data, dtype }: FixtureInput, i: number): Value {
  if (dtype === 'int64') return graph.integers(`x${i}`, data, shape);
  if (dtype === 'constant') return graph.floats(`x${i}`, data, shape);
  return graph.input(`x${i}`, dtype, shape);
}

/** The outputs, and the gradients of Σ dy·y; with several outputs the sum is over all of them. */
function sumOfProducts(
  graph: GraphBuilder,
  {
    expected,
    outputs,
    targets,
    units,
    lower,
  }: {
    readonly expected: GradientFixture;
    readonly outputs: readonly Value[];
    readonly targets: readonly Value[];
    readonly units: readonly Unit[];
    readonly lower: (typeof lowerings)['cpu'];
  },
): Value[] {
  const used = outputs.slice(0, expected.dy.length);
  const seeds = used.map((output, i) => graph.input(`dy${i}`, 'float32', output.shape));
  const [y] = used;
  const [seed] = seeds;
  if (!y || !seed) throw new Error('a fixture has an output');
  const loss = used.length === 1 ? y : total(graph, used, seeds);
  const start = used.length === 1 ? seed : graph.floats('one', [1]);
  const found = backward(graph, { loss, seed: start, targets, units, lower });
  return [...used, ...found.map((gradient) => gradient ?? graph.floats('none', [0]))];
}

function total(graph: GraphBuilder, ys: readonly Value[], dys: readonly Value[]): Value {
  const sums = ys.map((y, i) =>
    graph.add(
      'ReduceSum',
      [
        graph.add('Mul', [y, dys[i] ?? y]),
        graph.integers(
          'axes',
          y.shape.map((_, axis) => axis),
        ),
      ],
      { keepdims: 0 },
    ),
  );
  return sums.reduce((sum, each) => graph.add('Add', [sum, each]));
}

function feedsOf(expected: GradientFixture, outputs: readonly Value[]): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [i, each] of expected.inputs.entries()) {
    if (each?.dtype === 'float32') {
      feeds[`x${i}`] = { ...each, dtype: 'float32', data: Float32Array.from(each.data) };
    }
    if (each?.dtype === 'bool') {
      feeds[`x${i}`] = { ...each, dtype: 'bool', data: Uint8Array.from(each.data) };
    }
  }
  for (const [i, dy] of expected.dy.entries()) {
    const shape = (outputs[i]?.shape ?? []).map(Number);
    feeds[`dy${i}`] = { dtype: 'float32', shape, data: Float32Array.from(dy) };
  }
  return feeds;
}
