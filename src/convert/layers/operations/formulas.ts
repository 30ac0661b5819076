import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import type { OperationCall } from './call.ts';
import { binary, inFloats, type Operation, unary } from './elementwise.ts';

const number = (graph: GraphBuilder, stem: string, value: number): Value =>
  graph.floats(stem, [value]);

/** x times a number. */
function scaled(factor: number): Operation {
  return unary((x, graph) => graph.add('Mul', [x, number(graph, 'factor', factor)]));
}

/** log x, to a base. */
function logarithm(root: number): Operation {
  return unary((x, graph) =>
    graph.add('Div', [graph.add('Log', [x]), number(graph, 'log_root', Math.log(root))]),
  );
}

/** Infinities and what is no number become numbers. Source: nan_to_num in keras/src/ops/numpy.py. */
function nanToNum(x: Value, graph: GraphBuilder, call: OperationCall): Value {
  const largest = 3.4028234663852886e38;
  if (x.dtype !== 'float32') return x;
  const fill = number(graph, 'fill', call.number(1, 0, 'nan'));
  const finite = graph.add('Where', [graph.add('IsNaN', [x]), fill, x]);
  const limits = [number(graph, 'lowest', -largest), number(graph, 'highest', largest)] as const;
  const ends = [call.raw(2, 'posinf'), call.raw(3, 'neginf')] as const;
  const replaced = ends.reduce<Value>((value, end, i) => {
    if (end === undefined) return value;
    const infinity = number(graph, 'infinity', i === 0 ? Infinity : -Infinity);
    return graph.add('Where', [
      graph.add('Equal', [value, infinity]),
      number(graph, 'end', Number(end)),
      value,
    ]);
  }, finite);
  return graph.add('Clip', [replaced, ...limits]);
}

/** The angle of (x, y): atan(y / x), turned by half a circle on the left. */
export function arctan2(y: Value, x: Value, graph: GraphBuilder): Value {
  const zero = number(graph, 'zero', 0);
  const half = graph.add('Where', [
    graph.add('Less', [y, zero]),
    number(graph, 'minus_pi', -Math.PI),
    number(graph, 'pi', Math.PI),
  ]);
  const isLeft = graph.add('Less', [x, zero]);
  const angle = graph.add('Atan', [graph.add('Div', [y, x])]);
  // 0 / 0 is no number; the angle of nothing is 0.
  const known = graph.add('Where', [graph.add('Equal', [y, zero]), zero, angle]);
  return graph.add('Add', [known, graph.add('Where', [isLeft, half, zero])]);
}

/** log(eᵃ + eᵇ), without overflow. */
function logaddexp(a: Value, b: Value, graph: GraphBuilder): Value {
  const gap = graph.add('Neg', [graph.add('Abs', [graph.add('Sub', [a, b])])]);
  const more = graph.add('Log', [
    graph.add('Add', [graph.add('Exp', [gap]), number(graph, 'one', 1)]),
  ]);
  return graph.add('Add', [graph.add('Max', [a, b]), more]);
}

/** Operations on each number that ONNX has no operator for. Source: keras/src/ops/numpy.py and nn.py. */
export const formulas: Readonly<Record<string, Operation>> = {
  deg2rad: scaled(Math.PI / 180),
  rad2deg: scaled(180 / Math.PI),
  log2: logarithm(2),
  log10: logarithm(10),
  exp2: unary((x, graph) => graph.add('Pow', [number(graph, 'two', 2), x])),
  cbrt: unary((x, graph) => {
    const root = graph.add('Pow', [graph.add('Abs', [x]), number(graph, 'third', 1 / 3)]);
    return graph.add('Mul', [graph.add('Sign', [x]), root]);
  }),
  trunc: unary((x, graph) =>
    x.dtype === 'float32'
      ? graph.add('Mul', [graph.add('Sign', [x]), graph.add('Floor', [graph.add('Abs', [x])])])
      : x,
  ),
  sinc: unary((x, graph) => {
    const angle = graph.add('Mul', [x, number(graph, 'pi', Math.PI)]);
    const ratio = graph.add('Div', [graph.add('Sin', [angle]), angle]);
    const isZero = graph.add('Equal', [x, number(graph, 'zero', 0)]);
    return graph.add('Where', [isZero, number(graph, 'one', 1), ratio]);
  }),
  isfinite: unary((x, graph) =>
    graph.add('Less', [graph.add('Abs', [x]), number(graph, 'infinity', Number.POSITIVE_INFINITY)]),
  ),
  isinf: unary((x, graph) =>
    graph.add('Equal', [
      graph.add('Abs', [x]),
      number(graph, 'infinity', Number.POSITIVE_INFINITY),
    ]),
  ),
  signbit: unary((x, graph) => graph.add('Less', [x, number(graph, 'zero', 0)])),
  nan_to_num: unary(nanToNum),
  soft_shrink: unary((x, graph, call) => {
    const reach = call.number(1, 0.5, 'threshold');
    const limits = [number(graph, 'low', -reach), number(graph, 'high', reach)] as const;
    return graph.add('Sub', [x, graph.add('Clip', [x, ...limits])]);
  }),
  hard_shrink: unary((x, graph, call) => {
    const reach = number(graph, 'threshold', call.number(1, 0.5, 'threshold'));
    const isLarge = graph.add('Greater', [graph.add('Abs', [x]), reach]);
    return graph.add('Where', [isLarge, x, number(graph, 'zero', 0)]);
  }),
  threshold: unary((x, graph, call) => {
    const limit = number(graph, 'threshold', call.number(1, undefined, 'threshold'));
    const other = number(graph, 'default_value', call.number(2, undefined, 'default_value'));
    return graph.add('Where', [graph.add('Greater', [x, limit]), x, other]);
  }),
  // TensorFlow calls them y and x.
  arctan2: binary(arctan2, [
    ['x1', 'y'],
    ['x2', 'x'],
  ]),
  hypot: binary((a, b, graph) => {
    const squares = graph.add('Add', [graph.add('Mul', [a, a]), graph.add('Mul', [b, b])]);
    return graph.add('Sqrt', [squares]);
  }),
  logaddexp: binary(logaddexp),
  divide_no_nan: binary((a, b, graph) => {
    const [over, under] = [inFloats(a, graph), inFloats(b, graph)];
    const zero = number(graph, 'zero', 0);
    const ratio = graph.add('Div', [over, under]);
    return graph.add('Where', [graph.add('Equal', [under, zero]), zero, ratio]);
  }),
};
