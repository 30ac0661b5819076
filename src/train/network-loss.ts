import { ToolkitError } from '../errors.ts';
import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import type { Measure } from './epoch.ts';
import { type Loss, type LossName, losses } from './losses.ts';

/** What a network is judged by. */
export interface NetworkLoss {
  readonly loss: LossName;
  /** Share of the target that is spread over all classes; 0 by default. */
  readonly labelSmoothing?: number | undefined;
  /** What is counted besides the loss; default `acc`. */
  readonly measure?: Measure | undefined;
}

/** Inputs of the measures of a batch of n rows. */
interface Batch {
  readonly target: Value;
  /** float32 [n]: what the loss of each row counts. */
  readonly weights: Value;
}

/** Measures of a batch, scalars float32, and the values in them that no gradient goes through. */
export interface Measured {
  /** The losses times their weights, summed. */
  readonly lossSum: Value;
  /** How many rows are right, or of the measure `mae`, how far off each row is on average, summed. */
  readonly correct: Value;
  /** How many rows are wrong with full confidence, so that Keras' own loss would teach them nothing. */
  readonly saturated: Value;
  readonly constants: readonly Value[];
}

/** Width and type of the targets that a network's output asks for. */
export function targetInput(graph: GraphBuilder, { loss }: NetworkLoss, output: Value): Value {
  const { targets } = losses[loss];
  if (targets === 'numbers') return graph.input('targets', 'int64', ['n']);
  return graph.input('targets', 'float32', ['n', widthOf(output)]);
}

/** Numbers a row of a value [n, ...]. */
export function widthOf(output: Value): number {
  return output.shape.slice(1).reduce<number>((product, dim) => product * Number(dim), 1);
}

/** Appends the loss of a network and what else is counted of a batch. Throws OPTION_INVALID. */
export function measure(
  graph: GraphBuilder,
  { loss: name, labelSmoothing = 0, measure: counts = 'acc' }: NetworkLoss,
  output: Value,
  { target, weights }: Batch,
): Measured {
  const loss: Loss = losses[name];
  const isEntropy = name.endsWith('categorical_crossentropy');
  const logits = rows(graph, loss.of === 'logits' ? logitsOf(graph, name, output) : output);
  if (isEntropy && output.shape.length !== 2) {
    throw unfit(name, `puts out [${output.shape.join(', ')}], where one row of scores is expected`);
  }
  const goal = smoothed(graph, { name, labelSmoothing }, target);
  const { losses: each, constants = [] } = loss.emit(graph, logits, goal);
  const found = rows(graph, output);
  return {
    lossSum: sum(graph, graph.add('Mul', [each, weights])),
    correct:
      counts === 'mae'
        ? sum(graph, rowError(graph, found, target))
        : counted(graph, isRight(graph, loss, found, target)),
    saturated: isEntropy
      ? counted(graph, graph.add('Greater', [each, graph.floats('saturated', [saturatedLoss])]))
      : graph.floats('zero', [0]),
    constants,
  };
}

/** The mean of |p - t| over each row. */
function rowError(graph: GraphBuilder, output: Value, target: Value): Value {
  const error = graph.add('Abs', [graph.add('Sub', [output, target])]);
  return graph.add('ReduceMean', [error], { axes: [-1], keepdims: 0 });
}

/** Just below -log(1e-7), the loss at which Keras clips. */
const saturatedLoss = 16.11;

function rows(graph: GraphBuilder, x: Value): Value {
  return x.shape.length === 2 ? x : graph.add('Flatten', [x], { axis: 1 });
}

function sum(graph: GraphBuilder, x: Value): Value {
  return graph.add('ReduceSum', [x, graph.integers('axes', [0])], { keepdims: 0 });
}

function counted(graph: GraphBuilder, right: Value): Value {
  return sum(graph, graph.add('Cast', [right], { to: 'float32' }));
}

/** Activations that are not what a loss of logits undoes. */
const others: ReadonlySet<string> = new Set([
  'Relu',
  'Tanh',
  'Elu',
  'Selu',
  'Softplus',
  'Softsign',
]);

/** What the last activation was computed from; a network that ends without one puts out logits. */
function logitsOf(graph: GraphBuilder, name: LossName, output: Value): Value {
  const node = producerOf(graph, output);
  const undone = name === 'binary_crossentropy' ? 'Sigmoid' : 'Softmax';
  if (node?.op === undone && isAlongRows(node)) return node.inputs[0];
  const wrong = undone === 'Sigmoid' ? 'Softmax' : 'Sigmoid';
  if (node && (node.op === wrong || others.has(node.op))) {
    throw unfit(name, `ends in ${node.op}, where ${undone} or nothing is expected`);
  }
  return output;
}

function producerOf(graph: GraphBuilder, value: Value): Node | undefined {
  const node = graph.nodes.find(({ outputs }) => outputs.some((each) => each.name === value.name));
  return node?.op === 'Identity' ? producerOf(graph, node.inputs[0]) : node;
}

function isAlongRows(node: Node): boolean {
  if (!('axis' in node.attributes)) return true;
  const { axis } = node.attributes;
  return axis === -1 || axis === node.inputs[0].shape.length - 1;
}

function unfit(name: LossName, what: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', `The network ${what} by the loss ${name}`, {
    hint: 'Choose another loss, or another head.',
  });
}

/** t · (1 - s) + s / K, as Keras smooths. */
function smoothed(
  graph: GraphBuilder,
  { name, labelSmoothing }: { readonly name: LossName; readonly labelSmoothing: number },
  target: Value,
): Value {
  if (labelSmoothing === 0) return target;
  const isFit = name.endsWith('crossentropy') && losses[name].targets === 'scores';
  if (!isFit || labelSmoothing < 0 || labelSmoothing >= 1) {
    throw new ToolkitError(
      'OPTION_INVALID',
      `Labels should be smoothed by a share from 0 to 1 of scores, but "${name}" was to be smoothed by ${labelSmoothing}`,
      { hint: 'Leave it out, or take categorical_crossentropy or binary_crossentropy.' },
    );
  }
  const among = name === 'binary_crossentropy' ? 2 : Number(target.shape[1]);
  const kept = graph.add('Mul', [target, graph.floats('kept', [1 - labelSmoothing])]);
  return graph.add('Add', [kept, graph.floats('spread', [labelSmoothing / among])]);
}

/** Keras' accuracy: the largest is the right one; with one output, or several yes-or-no ones, the right side of one half. */
function isRight(graph: GraphBuilder, loss: Loss, output: Value, target: Value): Value {
  const largest = (value: Value): Value => graph.add('ArgMax', [value], { axis: -1, keepdims: 0 });
  if (loss.targets === 'numbers') return graph.add('Equal', [largest(output), target]);
  if (output.shape[1] !== 1) return graph.add('Equal', [largest(output), largest(target)]);
  const isYes = (value: Value): Value =>
    graph.add('Greater', [
      graph.add('Squeeze', [value, graph.integers('last_axis', [-1])]),
      graph.floats('half', [0.5]),
    ]);
  return graph.add('Equal', [isYes(output), isYes(target)]);
}
