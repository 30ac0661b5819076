import { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { backward } from './backward.ts';
import { countAlong } from './gradients/reductions.ts';
import { where } from './gradients/rule.ts';
import type { Head } from './head.ts';
import { type Loss, type LossName, losses } from './losses.ts';
import type { Optimizer } from './optimizers.ts';
import { applyOptimizer } from './update.ts';

/** How a head is trained. */
export interface StepPlan {
  readonly head: Head;
  readonly loss: LossName;
  readonly optimizer: Optimizer;
  readonly batchSize: number;
}

/** A graph, and the names by which it is fed and read. */
export interface EpochGraph {
  readonly graph: GraphBuilder;
  readonly feeds: {
    /** float32 [n, D]. */
    readonly features: string;
    /** float32 [n, K], or int64 [n] for a loss of class numbers. */
    readonly targets: string;
    /** int64 [n]: the rows in the order in which they are taken. */
    readonly order: string;
    /** int64 []: number of batches. */
    readonly batches: string;
    /** float32 []: learning rate before decay. */
    readonly rate: string;
    /** float32 []: batches seen in epochs before. */
    readonly iteration: string;
    /** float32 []: sums of the batches before, where an epoch is several runs. */
    readonly lossBefore: string;
    readonly correctBefore: string;
    /** bool [n, D], for a head with dropout: which features of the i-th row taken are kept. */
    readonly mask: string | undefined;
    readonly parameters: readonly string[];
    readonly slots: readonly string[];
  };
  readonly fetches: {
    readonly parameters: readonly string[];
    readonly slots: readonly string[];
    readonly iteration: string;
    /** float32 []: loss of each batch times its size, summed. */
    readonly lossSum: string;
    /** float32 []: how many rows were right, each with the parameters as they were at its batch. */
    readonly correct: string;
  };
}

/**
 * One epoch as one graph: a Loop over the batches, with forward, backward and update inside.
 *
 * Parameters, optimizer slots and counters are carried from batch to batch; a last short batch is what Slice leaves.
 * Its gradient is the mean over its own rows, as in Keras.
 */
export function epochGraph(plan: StepPlan): EpochGraph {
  const graph = new GraphBuilder();
  const inputs = epochInputs(graph, plan);
  const { parameters, slots, iteration, batches, lossBefore, correctBefore } = inputs;
  const state = [...parameters, ...slots, iteration, lossBefore, correctBefore];
  const results = graph.loop(batches, state, (body, trip, carried) =>
    batchStep(body, plan, inputs, { trip, carried }),
  );
  for (const result of results) graph.output(result);
  const names = results.map(({ name }) => name);
  return {
    graph,
    feeds: {
      features: inputs.features.name,
      targets: inputs.targets.name,
      order: inputs.order.name,
      batches: batches.name,
      rate: inputs.rate.name,
      iteration: iteration.name,
      lossBefore: lossBefore.name,
      correctBefore: correctBefore.name,
      mask: inputs.mask?.name,
      parameters: parameters.map(nameOf),
      slots: slots.map(nameOf),
    },
    fetches: {
      parameters: names.slice(0, parameters.length),
      slots: names.slice(parameters.length, -3),
      iteration: names.at(-3) ?? '',
      lossSum: names.at(-2) ?? '',
      correct: names.at(-1) ?? '',
    },
  };
}

function nameOf(value: Value): string {
  return value.name;
}

interface EpochInputs {
  readonly features: Value;
  readonly targets: Value;
  readonly order: Value;
  readonly batches: Value;
  readonly rate: Value;
  readonly iteration: Value;
  readonly lossBefore: Value;
  readonly correctBefore: Value;
  readonly mask: Value | undefined;
  readonly parameters: readonly Value[];
  readonly slots: readonly Value[];
}

function epochInputs(graph: GraphBuilder, { head, loss, optimizer }: StepPlan): EpochInputs {
  return {
    features: graph.input('features', 'float32', ['n', head.features]),
    targets: targetInput(graph, head, losses[loss]),
    order: graph.input('order', 'int64', ['n']),
    batches: graph.input('batches', 'int64', []),
    rate: graph.input('rate', 'float32', []),
    iteration: graph.input('iteration', 'float32', []),
    lossBefore: graph.input('loss_before', 'float32', []),
    correctBefore: graph.input('correct_before', 'float32', []),
    mask: head.dropout > 0 ? graph.input('mask', 'bool', ['n', head.features]) : undefined,
    parameters: parameterInputs(graph, head),
    slots: head.parameters.flatMap(({ name, shape }) =>
      optimizer.slots.map((slot) => graph.input(`${name}/${slot.name}`, 'float32', shape)),
    ),
  };
}

function parameterInputs(graph: GraphBuilder, head: Head): Value[] {
  return head.parameters.map(({ name, shape }) => graph.input(name, 'float32', shape));
}

function targetInput(graph: GraphBuilder, head: Head, loss: Loss): Value {
  return loss.targets === 'numbers'
    ? graph.input('targets', 'int64', ['n'])
    : graph.input('targets', 'float32', ['n', head.classes]);
}

function batchStep(
  body: GraphBuilder,
  plan: StepPlan,
  inputs: EpochInputs,
  { trip, carried }: { readonly trip: Value; readonly carried: readonly Value[] },
): readonly Value[] {
  const { rate } = inputs;
  const count = inputs.parameters.length;
  const parameters = carried.slice(0, count);
  const slots = carried.slice(count, -3);
  const [iteration, lossBefore, correctBefore] = carried.slice(-3);
  if (!iteration || !lossBefore || !correctBefore) throw new Error('Bug: the state is short');
  const { x, target } = batchRows(body, plan, inputs, trip);
  const { lossSum, correct, constants } = forward(body, plan, { x, target, parameters });
  const one = body.floats('one', [1]);
  const seed = body.add('Div', [one, countAlong(body, x, [0])]);
  const gradients = backward(body, { loss: lossSum, seed, targets: parameters, constants });
  const trainable = { parameters, gradients, slots, rate, iteration };
  const updated = applyOptimizer(body, plan.optimizer, trainable);
  return [
    ...updated.parameters,
    ...updated.slots,
    body.add('Add', [iteration, one]),
    body.add('Add', [lossBefore, lossSum]),
    body.add('Add', [correctBefore, correct]),
  ];
}

/** The rows of batch number `trip`: Slice stops at the end by itself, so the last batch may be short. */
function batchRows(
  body: GraphBuilder,
  { head, batchSize }: StepPlan,
  { features, targets, order, mask }: EpochInputs,
  trip: Value,
): { readonly x: Value; readonly target: Value } {
  const size = body.integers('batch_size', [batchSize]);
  const first = body.integers('first_axis', [0]);
  const start = body.add('Mul', [body.add('Unsqueeze', [trip, first]), size]);
  const range = [start, body.add('Add', [start, size]), first] as const;
  const rows = body.add('Slice', [order, ...range]);
  const x = body.add('Gather', [features, rows], { axis: 0 });
  const target = body.add('Gather', [targets, rows], { axis: 0 });
  if (!mask) return { x, target };
  const kept = body.add('Slice', [mask, ...range]);
  const grown = body.add('Mul', [x, body.floats('keep', [1 / (1 - head.dropout)])]);
  return { x: where(body, kept, grown), target };
}

interface Batch {
  readonly x: Value;
  readonly target: Value;
  readonly parameters: readonly Value[];
}

function forward(
  graph: GraphBuilder,
  { head, loss: name }: Pick<StepPlan, 'head' | 'loss'>,
  { x, target, parameters }: Batch,
): {
  readonly logits: Value;
  readonly lossSum: Value;
  readonly correct: Value;
  readonly constants: readonly Value[];
} {
  const loss: Loss = losses[name];
  const logits = head.logits(graph, x, parameters);
  const prediction = loss.of === 'logits' ? logits : head.output(graph, logits);
  const each = loss.emit(graph, prediction, target);
  const correct = graph.add('Cast', [isCorrect(graph, loss, logits, target)], { to: 'float32' });
  const sum = (value: Value): Value =>
    graph.add('ReduceSum', [value, graph.integers('first_axis', [0])], { keepdims: 0 });
  return {
    logits,
    lossSum: sum(each.losses),
    correct: sum(correct),
    constants: each.constants ?? [],
  };
}

/** Keras' accuracy: the largest is the right one; with one output, the right side of one half. */
function isCorrect(graph: GraphBuilder, loss: Loss, logits: Value, target: Value): Value {
  const largest = (value: Value): Value => graph.add('ArgMax', [value], { axis: -1, keepdims: 0 });
  if (loss.targets === 'numbers') return graph.add('Equal', [largest(logits), target]);
  if (logits.shape.at(-1) !== 1) return graph.add('Equal', [largest(logits), largest(target)]);
  const first = (value: Value): Value =>
    graph.add('Squeeze', [value, graph.integers('last_axis', [-1])]);
  const said = graph.add('Greater', [first(logits), graph.floats('zero', [0])]);
  const meant = graph.add('Greater', [first(target), graph.floats('half', [0.5])]);
  return graph.add('Equal', [said, meant]);
}

/** The same measures for rows that are not trained on, in one pass and without dropout. */
export interface EvaluationGraph {
  readonly graph: GraphBuilder;
  readonly feeds: Pick<EpochGraph['feeds'], 'features' | 'targets' | 'parameters'>;
  readonly fetches: {
    readonly lossSum: string;
    readonly correct: string;
    /** float32 [n, K]: the head's output. */
    readonly output: string;
  };
}

/** Loss, correct rows and outputs of a head for given parameters. */
export function evaluationGraph({ head, loss }: Pick<StepPlan, 'head' | 'loss'>): EvaluationGraph {
  const graph = new GraphBuilder();
  const x = graph.input('features', 'float32', ['n', head.features]);
  const target = targetInput(graph, head, losses[loss]);
  const parameters = parameterInputs(graph, head);
  const { logits, lossSum, correct } = forward(graph, { head, loss }, { x, target, parameters });
  const output = head.output(graph, logits);
  for (const result of [lossSum, correct, output]) graph.output(result);
  return {
    graph,
    feeds: {
      features: x.name,
      targets: target.name,
      parameters: parameters.map(({ name }) => name),
    },
    fetches: { lossSum: lossSum.name, correct: correct.name, output: output.name },
  };
}
