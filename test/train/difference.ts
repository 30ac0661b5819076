import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession, type Session, type Tensor } from '../../src/runtime/session.ts';
import type { Shape, Value } from '../../src/tensor.ts';
import { backward } from '../../src/train/backward.ts';
import { expectClose } from '../tolerance.ts';

export interface Input {
  readonly shape: readonly number[];
  readonly numbers: Float32Array;
  /** Names of sizes that the graph does not know, by axis. */
  readonly names?: Readonly<Record<number, string>>;
  /** Not differentiated, and its numbers not moved. */
  readonly isFixed?: boolean;
}

export interface DifferenceCase {
  readonly inputs: readonly Input[];
  /** Gets one value for each input; those beyond are not there. */
  readonly emit: (graph: GraphBuilder, values: Values) => Value;
}

type Values = readonly [Value, Value, Value, Value, Value, Value];

/** Small numbers at least 0.05 from 0 and 0.1 from each other, in a scrambled order that `salt` changes. */
export function numbers(shape: readonly number[], salt = 0): Float32Array {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const stride = [7, 11, 13, 17, 19, 23].find((prime) => count % prime !== 0) ?? 1;
  return Float32Array.from({ length: count }, (_, i) => {
    const place = ((i + salt) * stride) % count;
    return (place - Math.floor(count / 2)) * 0.11 + 0.053 + (salt % 3) * 0.0183;
  });
}

/**
 * Compares the gradients of Σ r·y with central differences of step 0.01, summed in float64.
 *
 * The runtime computes in float32: rounding gives about 1e-5, the third derivative about as much.
 */
export async function checkDifferences({ inputs, emit }: DifferenceCase): Promise<void> {
  const graph = new GraphBuilder();
  const values = inputs.map(({ shape, names }, i) =>
    graph.input(`x${i}`, 'float32', namedShape(shape, names)),
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a case takes only as many values as it has inputs
  const y = emit(graph, values as unknown as Values);
  const seed = graph.input('r', 'float32', y.shape);
  const moved = values.filter((_, i) => inputs[i]?.isFixed !== true);
  const gradients = backward(graph, { loss: y, seed, targets: moved });
  for (const value of [y, ...gradients]) if (value) graph.output(value);
  const session = await openSession(encodeModel(graph, { name: 'difference' }));
  try {
    const feeds = firstFeeds(inputs, y);
    const results = await session.run(feeds);
    for (const [k, target] of moved.entries()) {
      const gradient = gradients[k];
      if (!gradient) throw new Error(`x${k} got no gradient`);
      const expected = await differences(session, { feeds, target, y });
      const actual = results[gradient.name];
      expectClose(Float64Array.from(actual?.data ?? [], Number), expected, {
        rtol: 2e-3,
        atol: 2e-3,
      });
    }
  } finally {
    await session.close();
  }
}

function namedShape(shape: readonly number[], names: Input['names'] = {}): Shape {
  return shape.map((dim, axis) => names[axis] ?? dim);
}

function firstFeeds(inputs: readonly Input[], y: Value): Record<string, Tensor> {
  const sizes = new Map(
    inputs.flatMap(({ shape, names = {} }) =>
      Object.entries(names).map(([axis, name]) => [name, shape[Number(axis)] ?? 1] as const),
    ),
  );
  const shape = y.shape.map((dim) => (typeof dim === 'number' ? dim : (sizes.get(dim) ?? 1)));
  const r: Tensor = { dtype: 'float32', shape, data: numbers(shape, 5) };
  const feeds = inputs.map(({ shape: size, numbers: data }, i): [string, Tensor] => [
    `x${i}`,
    { dtype: 'float32', shape: size, data },
  ]);
  return { r, ...Object.fromEntries(feeds) };
}

async function differences(
  session: Session,
  {
    feeds,
    target,
    y,
  }: {
    readonly feeds: Record<string, Tensor>;
    readonly target: Value;
    readonly y: Value;
  },
): Promise<Float64Array> {
  const tensor = feeds[target.name];
  if (!tensor) throw new Error(`${target.name} is not fed`);
  const at = Float32Array.from(tensor.data, Number);
  const weights = Float32Array.from(feeds['r']?.data ?? [], Number);
  const sum = async (data: Float32Array): Promise<number> => {
    const results = await session.run({ ...feeds, [target.name]: { ...tensor, data } }, [y.name]);
    return Array.from(results[y.name]?.data ?? [], Number).reduce(
      (total, value, i) => total + value * (weights[i] ?? 0),
      0,
    );
  };
  const result = new Float64Array(at.length);
  for (let i = 0; i < at.length; i++) {
    const [low, high] = [at.slice(), at.slice()];
    low[i] = (at[i] ?? 0) - 0.01;
    high[i] = (at[i] ?? 0) + 0.01;
    result[i] = ((await sum(high)) - (await sum(low))) / ((high[i] ?? 0) - (low[i] ?? 0));
  }
  return result;
}
