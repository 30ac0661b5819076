import { binary, broadcasts, type Cases, positive, unary, x } from './cases.ts';

/** Operators that work number by number, and activations. */
export const numberCases: Cases = {
  Add: broadcasts('Add'),
  Sub: broadcasts('Sub'),
  Mul: broadcasts('Mul'),
  Div: broadcasts('Div', positive),
  Pow: broadcasts('Pow', positive),
  Max: broadcasts('Max'),
  Min: broadcasts('Min'),
  Neg: unary('Neg'),
  Abs: unary('Abs'),
  Exp: unary('Exp'),
  Log: unary('Log', positive([3, 5])),
  Sqrt: unary('Sqrt', positive([3, 5])),
  Erf: unary('Erf'),
  Clip: [
    [
      '',
      [
        x([3, 7]),
        { ...x([]), numbers: Float32Array.of(-0.4) },
        { ...x([]), numbers: Float32Array.of(0.55) },
      ],
      (graph, [a, low, high]) => graph.add('Clip', [a, low, high]),
    ],
  ],
  Identity: unary('Identity'),
  Cast: [['', [x([3])], (graph, [a]) => graph.add('Cast', [a], { to: 'float32' })]],
  Where: [
    [
      '',
      [x([3, 4]), x([3, 1], 1), x([4], 2)],
      (graph, [a, b, c]) => {
        const mask = graph.add('Greater', [a, graph.floats('zero', [0])]);
        const picked = graph.add('Where', [mask, b, c]);
        return graph.add('Mul', [picked, a]);
      },
    ],
  ],
  Relu: unary('Relu'),
  Sigmoid: unary('Sigmoid'),
  Tanh: unary('Tanh'),
  Softplus: unary('Softplus'),
  Softsign: unary('Softsign'),
  Elu: [['', [x([3, 5])], (graph, [a]) => graph.add('Elu', [a], { alpha: 0.7 })]],
  Selu: [['', [x([3, 5])], (graph, [a]) => graph.add('Selu', [a], { alpha: 1.67, gamma: 1.05 })]],
  LeakyRelu: [['', [x([3, 5])], (graph, [a]) => graph.add('LeakyRelu', [a], { alpha: 0.3 })]],
  ThresholdedRelu: [
    ['', [x([3, 5])], (graph, [a]) => graph.add('ThresholdedRelu', [a], { alpha: 0.33 })],
  ],
  HardSigmoid: [
    ['', [x([4, 9])], (graph, [a]) => graph.add('HardSigmoid', [a], { alpha: 0.4, beta: 0.5 })],
  ],
  PRelu: [
    ['a slope for each place', [x([2, 3]), x([3], 1)], binary('PRelu')],
    ['a slope for each channel', [x([2, 3, 2, 2]), x([3, 1, 1], 1)], binary('PRelu')],
  ],
  Softmax: [
    ['the last axis', [x([3, 4])], (graph, [a]) => graph.add('Softmax', [a], { axis: -1 })],
    ['an inner axis', [x([2, 3, 2])], (graph, [a]) => graph.add('Softmax', [a], { axis: 1 })],
  ],
  LogSoftmax: [
    ['the last axis', [x([3, 4])], (graph, [a]) => graph.add('LogSoftmax', [a], { axis: -1 })],
  ],
};
