import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { DType, Value } from '../../../tensor.ts';
import { activations } from '../../activations.ts';
import { axisIn, inLayoutOf, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra, type Term } from './algebra.ts';
import type { OperationCall } from './call.ts';
import { binary, inFloats, type Operation, unary } from './elementwise.ts';

/** A formula of one number, in floats. */
function formula(of: (x: Value, m: Algebra, call: OperationCall) => Value): Operation {
  return unary((x, graph, call) => of(inFloats(x, graph), new Algebra(graph), call));
}

/** A formula of two numbers. */
function pairFormula(of: (a: Value, b: Value, m: Algebra) => Value): Operation {
  return binary((a, b, graph) => of(a, b, new Algebra(graph)));
}

/** Σ cᵢ xⁱ, from the last coefficient on. */
function polynomial(x: Value, coefficients: readonly number[], m: Algebra): Value {
  const [last = 0, before = 0, ...others] = coefficients.toReversed();
  const start = m.plus(m.times(x, last), before);
  return others.reduce((sum, each) => m.plus(m.times(sum, x), each), start);
}

/** Bessel's I₀: a series in (x / 3.75)² near 0, one in its reciprocal beyond. Source: Abramowitz and Stegun, 9.8.1 and 9.8.2. */
function besselI0(x: Value, m: Algebra): Value {
  const size = m.of('Abs', x);
  const t = m.over(size, 3.75);
  const near = polynomial(
    m.times(t, t),
    [1, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813],
    m,
  );
  const inverse = m.over(3.75, m.join('Max', size, 3.75));
  const far = polynomial(
    inverse,
    [
      0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537,
      -0.01647633, 0.00392377,
    ],
    m,
  );
  const grown = m.over(m.times(m.of('Exp', size), far), m.of('Sqrt', m.join('Max', size, 3.75)));
  return m.where(m.join('Less', size, 3.75), near, grown);
}

/** The inverse of erf. Source: M. Giles, Approximating the erfinv function, GPU Computing Gems 2, table 5. */
export function inverseErf(x: Value, m: Algebra): Value {
  const w = m.of('Neg', m.of('Log', m.times(m.minus(1, x), m.plus(1, x))));
  const near = polynomial(
    m.minus(w, 2.5),
    [
      1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6,
      -3.5233877e-6, 3.43273939e-7, 2.81022636e-8,
    ],
    m,
  );
  const far = polynomial(
    m.minus(m.of('Sqrt', m.join('Max', w, 5)), 3),
    [
      2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844,
      0.00134934322, 0.000100950558, -0.000200214257,
    ],
    m,
  );
  return m.times(x, m.where(m.join('Less', w, 5), near, far));
}

/** The remainder with the sign of the first (C's), or of the second (Python's). */
function remainder(a: Value, b: Value, sign: 'of a' | 'of b', graph: GraphBuilder): Value {
  if (a.dtype !== 'float32') return graph.add('Mod', [a, b], { fmod: sign === 'of a' ? 1 : 0 });
  const m = new Algebra(graph);
  const rest = graph.add('Mod', [a, b], { fmod: 1 });
  if (sign === 'of a') return rest;
  const isOther = m.join('Less', m.times(m.of('Sign', rest), m.of('Sign', b)), 0);
  return m.where(isOther, m.plus(rest, b), rest);
}

/** The larger or the smaller, of which one may be no number. */
function knownOf(op: 'Max' | 'Min'): Operation {
  return pairFormula((a, b, m) => {
    if (a.dtype !== 'float32') return m.join(op, a, b);
    const known = m.where(m.of('IsNaN', b), a, m.join(op, a, b));
    return m.where(m.of('IsNaN', a), b, known);
  });
}

/** |a - b| ≤ atol + rtol · |b|, both finite, or the same. */
function isClose(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const rtol = call.number(2, 1e-5, 'rtol');
  const atol = call.number(3, 1e-8, 'atol');
  const made = binary((a, b, graph) => {
    const [x, y] = [inFloats(a, graph), inFloats(b, graph)];
    const isFinite = (z: Value): Value => m.join('Less', m.of('Abs', z), Number.POSITIVE_INFINITY);
    const reach = m.plus(m.times(m.of('Abs', y), rtol), atol);
    const isNear = m.join('LessOrEqual', m.of('Abs', m.minus(x, y)), reach);
    const close = m.either(m.both(m.both(isFinite(x), isFinite(y)), isNear), m.join('Equal', x, y));
    if (!call.flag(4, 'equal_nan')) return close;
    return m.either(close, m.both(m.of('IsNaN', x), m.of('IsNaN', y)));
  })(call);
  if ('value' in made) return made;
  throw new Error('Bug: a comparison has one output');
}

/** Whether all are close, as one truth. */
function allClose(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const { value } = isClose(call);
  const axes = value.shape.map((_, axis) => axis);
  const least = m.graph.add('ReduceMin', [m.cast(value, 'float32')], { axes, keepdims: 0 });
  return kerasTensor(m.cast(least, 'bool'));
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The first choice whose condition holds. */
function select(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const m = new Algebra(graph);
  const tensors = (position: number, name: string): readonly (KerasTensor | undefined)[] =>
    listed(call.raw(position, name)).map((part) => call.tensorOf(part));
  const conditions = tensors(0, 'condlist');
  const choices = tensors(1, 'choicelist');
  const like = choices.find((choice) => choice !== undefined);
  if (!like || conditions.length !== choices.length)
    throw call.refused('choices that are no tensors');
  const own = layouts.keras(like).value;
  const other: Term = call.raw(2, 'default') === undefined ? 0 : call.value(2, own, 'default');
  const chosen = conditions.reduceRight<Term>((rest, condition, i) => {
    const choice = choices[i];
    if (!condition || !choice) throw call.refused('choices that are no tensors');
    const truth = m.cast(layouts.keras(condition).value, 'bool');
    return m.where(truth, layouts.keras(choice).value, rest);
  }, other);
  return kerasTensor(typeof chosen === 'number' ? m.number(chosen, own) : chosen);
}

/** To the nearest of so many decimals; halves go to the even one. */
function round(x: Value, m: Algebra, call: OperationCall): Value {
  const decimals = call.number(1, 0, 'decimals');
  if (x.dtype !== 'float32' && decimals >= 0) return x;
  if (decimals === 0) return m.of('Round', x);
  const factor = Math.fround(10 ** decimals);
  const rounded = m.over(m.of('Round', m.times(m.cast(x, 'float32'), factor)), factor);
  return m.cast(rounded, x.dtype);
}

const limits: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int32: [-2147483648, 2147483520],
};

/** The nearest number that the type has. */
function saturateCast(call: OperationCall): KerasTensor {
  const to = call.dtype('dtype', 1);
  const x = call.bench.layouts.padded(call.x);
  const m = new Algebra(call.bench.graph);
  const range = to && limits[to];
  if (to === 'float32' && x.value.dtype === 'float32') return x;
  if (!to || !range) throw call.refused(`dtype ${to}`);
  const floats = m.cast(x.value, 'float32');
  const bounds = [m.number(range[0], floats), m.number(range[1], floats)] as const;
  const within = m.graph.add('Clip', [floats, ...bounds]);
  return inLayoutOf(x, m.cast(within, to));
}

/** A bit shift of whole numbers. */
function shifted(direction: 'left' | 'right'): Operation {
  return pairFormula((a, b, m) => {
    const two = m.graph.add('Pow', [m.number(2, { dtype: 'float32' }), m.cast(b, 'float32')]);
    if (direction === 'left') return m.times(a, m.cast(two, a.dtype));
    const power = m.cast(two, a.dtype);
    // Down to the next whole number, as the bits of a negative number go.
    const rest = m.graph.add('Mod', [a, power], { fmod: 0 });
    return m.over(m.minus(a, rest), power);
  });
}

/** Each of the 32 bits of two whole numbers joined. */
function bitwise(join: (a: Value, b: Value, m: Algebra) => Value): Operation {
  return pairFormula((a, b, m) => {
    const powers = Array.from({ length: 32 }, (_, i) => 2 ** i);
    const bits = (x: Value): Value => {
      const long = m.cast(x, 'int64');
      const wide = m.where(m.join('Less', long, 0), m.plus(long, 2 ** 32), long);
      const column = m.unsqueeze(wide, [x.shape.length]);
      const places = m.graph.integers('powers', powers);
      return m.graph.add('Mod', [m.graph.add('Div', [column, places]), m.number(2, long)], {
        fmod: 0,
      });
    };
    const joined = join(bits(a), bits(b), m);
    const sum = m.sum(m.graph.add('Mul', [joined, m.graph.integers('powers', powers)]), [
      joined.shape.length - 1,
    ]);
    const signed = m.where(m.join('GreaterOrEqual', sum, 2 ** 31), m.minus(sum, 2 ** 32), sum);
    return m.cast(signed, a.dtype);
  });
}

/** An activation along an axis of the call. */
function along(name: 'glu' | 'sparsemax'): Operation {
  return (call) => {
    const { graph, layouts, origin } = call.bench;
    const axis = call.number(1, -1, 'axis');
    const isLast = axis === -1 || axis === call.x.shape.length - 1;
    const x = isLast ? layouts.padded(call.x) : layouts.keras(call.x);
    const lastAxis = axisIn(x, axis);
    if (typeof x.value.shape[lastAxis] !== 'number') throw call.refused('an axis of open size');
    const { generation } = origin;
    return inLayoutOf(x, activations[name]({ x: x.value, graph, lastAxis, generation }));
  };
}

const truth = (x: Value, is: boolean, m: Algebra): Value => {
  const same = m.either(m.of('IsNaN', x), m.join('Equal', x, x));
  return is ? same : m.of('Not', same);
};

/** Operations on each number that take more than one node. Source: keras/src/ops/numpy.py, nn.py and math.py. */
export const specialOperations: Readonly<Record<string, Operation>> = {
  angle: formula((x, m) => m.where(m.join('Less', x, 0), Math.PI, m.times(x, 0))),
  imag: formula((x, m) => m.where(truth(x, true, m), 0, x)),
  isreal: formula((x, m) => truth(x, true, m)),
  isneginf: formula((x, m) => m.join('Equal', x, Number.NEGATIVE_INFINITY)),
  isposinf: formula((x, m) => m.join('Equal', x, Number.POSITIVE_INFINITY)),
  erfc: formula((x, m) => m.minus(1, m.of('Erf', x))),
  erfinv: formula(inverseErf),
  i0: formula(besselI0),
  round: unary((x, graph, call) => round(x, new Algebra(graph), call)),
  squareplus: formula((x, m, call) => {
    const root = m.of('Sqrt', m.plus(m.times(x, x), call.number(1, 4, 'b')));
    return m.times(m.plus(x, root), 0.5);
  }),
  glu: along('glu'),
  sparsemax: along('sparsemax'),
  mod: binary((a, b, graph) => remainder(a, b, 'of b', graph)),
  fmod: binary((a, b, graph) => remainder(a, b, 'of a', graph)),
  fmax: knownOf('Max'),
  fmin: knownOf('Min'),
  logaddexp2: pairFormula((a, b, m) => {
    const gap = m.of('Neg', m.of('Abs', m.minus(a, b)));
    const power = m.graph.add('Pow', [m.number(2, a), gap]);
    return m.plus(m.join('Max', a, b), m.over(m.of('Log', m.plus(power, 1)), Math.LN2));
  }),
  heaviside: pairFormula((a, b, m) => {
    const above = m.where(m.join('Greater', a, 0), m.number(1, b), b);
    return m.where(m.join('Less', a, 0), m.number(0, b), above);
  }),
  ldexp: pairFormula((a, b, m) => {
    const power = m.graph.add('Pow', [m.number(2, { dtype: 'float32' }), m.cast(b, 'float32')]);
    return m.times(m.cast(a, 'float32'), power);
  }),
  multiply_no_nan: pairFormula((a, b, m) =>
    m.where(m.join('Equal', b, 0), m.number(0, a), m.times(a, b)),
  ),
  xlogy: pairFormula((a, b, m) =>
    m.where(m.join('Equal', a, 0), m.number(0, a), m.times(a, m.of('Log', b))),
  ),
  isclose: isClose,
  allclose: allClose,
  select,
  saturate_cast: saturateCast,
  bitwise_not: unary((x, graph) => {
    const m = new Algebra(graph);
    return m.minus(m.number(-1, x), x);
  }),
  bitwise_left_shift: shifted('left'),
  bitwise_right_shift: shifted('right'),
  bitwise_and: bitwise((a, b, m) => m.times(a, b)),
  bitwise_or: bitwise((a, b, m) => m.join('Max', a, b)),
  bitwise_xor: bitwise((a, b, m) => m.of('Abs', m.minus(a, b))),
};
