import type { TrainEvent } from '../train/events.ts';
import type { RateCurve } from '../train/rate-finder.ts';
import {
  bytesText,
  countText,
  note,
  type Progress,
  plural,
  print,
  progressBar,
} from './terminal.ts';

interface EventPrinter {
  readonly print: (event: TrainEvent) => void;
  /** Takes the bar away; none comes after it. */
  readonly stop: () => void;
  /** Whether a step was made since features were last computed. */
  readonly isLearning: () => boolean;
}

/** Prints the plan, then progress as Keras does. */
export function eventPrinter(about: string): EventPrinter {
  let bar: Progress | undefined;
  let [isLearning, isOver] = [false, false];
  let stages = 1;
  const clear = (): void => {
    bar?.stop();
    bar = undefined;
  };
  const move = (label: string, unit: string, { done, total }: Moment): void => {
    bar ??= isOver ? undefined : progressBar(label, unit);
    bar?.update(done, total);
    if (done === total) clear();
  };
  return {
    isLearning: () => isLearning,
    stop() {
      isOver = true;
      clear();
    },
    print(event) {
      if (event.kind === 'features' || event.kind === 'step') isLearning = event.kind === 'step';
      if (event.kind === 'step') {
        const { epoch, epochs, step, steps } = event;
        const label = `Epoch ${epoch}/${epochs}`;
        move(label, 'steps', { done: step, total: steps });
        return;
      }
      if (event.kind === 'features') move(`Features (${event.part})`, 'samples', event);
      if (event.kind === 'plan') stages = event.stages.length;
      const text = eventText(event, { stages, about });
      if (text === '') return;
      if (asides.has(event.kind)) note(text);
      else print(text);
    },
  };
}

/** What goes to stderr. */
const asides: ReadonlySet<TrainEvent['kind']> = new Set(['skip', 'ended', 'warning']);

interface Moment {
  readonly done: number;
  readonly total: number;
}

type Told = Exclude<TrainEvent, { readonly kind: 'step' }>;

interface Context {
  readonly stages: number;
  readonly about: string;
}

function eventText(event: Told, context: Context): string {
  switch (event.kind) {
    case 'plan':
      return planText(event, context);
    case 'resumed':
      return `Going on in stage ${event.stage}, epoch ${event.epoch}${event.step > 0 ? `, step ${event.step}` : ''}`;
    case 'stage':
      return context.stages > 1 ? `\nStage ${event.stage}/${context.stages}: ${event.train}` : '';
    case 'features':
      return featuresText(event);
    case 'warning':
      return `Warning: ${event.text}`;
    case 'skip':
      return `Skipped ${event.path}: ${event.reason}`;
    case 'epoch':
      return epochText(event);
    case 'ended':
      return endedText(event);
    default:
      return resultText(event);
  }
}

type Result = Extract<
  Told,
  { readonly kind: 'meanBaseline' | 'baselines' | 'pseudoLabels' | 'done' }
>;

function resultText(event: Result): string {
  switch (event.kind) {
    case 'meanBaseline':
      return `For comparison, val_mae of always predicting the mean: ${measureText(event.val_mae)}`;
    case 'baselines':
      return baselineText(event);
    case 'pseudoLabels':
      return pseudoText(event);
    case 'done':
      return doneText(event);
  }
}

/** Once they are all there; until then the bar tells. */
function featuresText({
  part,
  done,
  total,
  cached,
  skipped = 0,
}: Extract<TrainEvent, { readonly kind: 'features' }>): string {
  if (done < total) return '';
  const passed = skipped > 0 ? `, ${skipped} skipped` : '';
  return `Features (${part}): ${plural(total - skipped, 'sample')}, ${cached} from the cache${passed}`;
}

function doneText({
  output,
  bytes,
  history,
  taken,
}: Extract<TrainEvent, { readonly kind: 'done' }>): string {
  return [
    ...(taken === undefined
      ? []
      : [`Another file came to ${taken} meanwhile: the model has another name`]),
    output,
    `  ${bytesText(bytes)}`,
    ...(history === undefined ? [] : [`History in ${history}`]),
  ].join('\n');
}

type PlanEvent = Extract<TrainEvent, { readonly kind: 'plan' }>;

function planText(event: PlanEvent, { about }: Context): string {
  const { classes, removed, at, width, head, loss, stages, trainSamples, validSamples } = event;
  const size = head.reduce((sum, layer) => sum + layer.size, 0);
  const layers = head.map(({ class: kind, shape, rate }) =>
    rate === undefined
      ? `${kind}(${shape.slice(1).join(', ')})`
      : `${kind}(${Number(rate.toPrecision(6))})`,
  );
  return [
    classes
      ? `Found ${plural(trainSamples, 'sample')} belonging to ${plural(classes.length, 'class', 'classes')}: ${classes.join(', ')}`
      : `Found ${plural(trainSamples, 'sample')}`,
    ...(removed.length > 0 ? [`Taken off: ${removed.join(', ')}`] : []),
    head.length > 0
      ? `New head at "${at}" (${width} numbers): ${layers.join(', ')}: ${countText(size)} parameters`
      : 'The model keeps its own end',
    `${loss}, ${about}`,
    ...stages.flatMap((stage, i) => stageText(stage, i, event)),
    `Train on ${plural(trainSamples, 'sample')}${validSamples > 0 ? `, validate on ${plural(validSamples, 'sample')}` : ''}`,
  ].join('\n');
}

function stageText(
  { settings, part, size, memory, featureBytes, holding }: PlanEvent['stages'][number],
  index: number,
  { stages }: PlanEvent,
): readonly string[] {
  const { optimizer, schedule, epochs, batchSize, train, stopping, factors } = settings;
  const held = holding.isInMemory ? featureBytes : 0;
  const names = part.layers.map(({ name, index: at }) => `${at} ${name}`);
  const shown = names.length > 8 ? [...names.slice(0, 3), '…', ...names.slice(-4)] : names;
  const rates = Object.entries(factors).map(([choice, factor]) => `${choice} × ${factor}`);
  return [
    `${stages.length > 1 ? `Stage ${index + 1}: ` : 'Trains '}${train}: ${shown.join(', ')}: ${countText(size)} parameters`,
    `  ${optimizer.name} (rules of Keras ${optimizer.keras}, learning rate ${optimizer.learningRate}` +
      `${schedule.name === 'constant' ? '' : `, ${schedule.name}`}${rates.length > 0 ? `; ${rates.join(', ')}` : ''}), ` +
      `${plural(epochs, 'epoch')}, batch ${batchSize}${stopping ? `, patience ${stopping.patience}` : ''}`,
    `  frozen up to "${part.cut.name}" [${part.cut.shape.join(', ')}]: ${holding.words}, ${bytesText(featureBytes)}`,
    `  memory about ${bytesText(memory.total + held)}: weights ${bytesText(memory.weights)}, ` +
      `gradients ${bytesText(memory.gradients)}, optimizer ${bytesText(memory.state)}, ` +
      `activations ${bytesText(memory.activations)}, features ${bytesText(held)}`,
  ];
}

type EpochEvent = Extract<TrainEvent, { readonly kind: 'epoch' }>;

/** Keras' line of a finished epoch. */
function epochText(event: EpochEvent): string {
  const { samples } = event;
  const measures = (['loss', 'acc', 'mae', 'val_loss', 'val_acc', 'val_mae'] as const).flatMap(
    (name) => {
      const value = event[name];
      return value === undefined ? [] : [`${name}: ${measureText(value)}`];
    },
  );
  const { saturated = 0 } = event;
  return [
    `Epoch ${event.epoch}/${event.epochs}`,
    `${samples}/${samples} [${'='.repeat(30)}] - ${event.seconds.toFixed(2)}s - ${measures.join(' - ')}`,
    ...(saturated > 0
      ? [
          `Warning: ${saturated === 1 ? '1 sample is' : `${saturated} samples are`} wrong with full confidence (saturated): lower the learning rate`,
        ]
      : []),
  ].join('\n');
}

/** Keras writes small numbers with an exponent; so are those of a training that runs away. */
function measureText(value: number): string {
  const size = Math.abs(value);
  return value === 0 || (size > 1e-3 && size < 1e6) ? value.toFixed(4) : value.toExponential(4);
}

function endedText({ stage, why }: Extract<TrainEvent, { readonly kind: 'ended' }>): string {
  return why === 'stopped'
    ? `Stage ${stage} stopped early; its weights are those of its best epoch`
    : `Stage ${stage} diverged; its weights are the last good ones, and the plan ends here. Lower its rate`;
}

type BaselineEvent = Extract<TrainEvent, { readonly kind: 'baselines' }>;

function baselineText({ majority, neighbours, logistic }: BaselineEvent): string {
  const parts = [
    `commonest class ${majority.toFixed(4)}`,
    ...(neighbours === undefined ? [] : [`3 nearest neighbours ${neighbours.toFixed(4)}`]),
    ...(logistic === undefined ? [] : [`logistic regression ${logistic.toFixed(4)}`]),
  ];
  return `For comparison, val_acc on the same features: ${parts.join(', ')}`;
}

type PseudoEvent = Extract<TrainEvent, { readonly kind: 'pseudoLabels' }>;

function pseudoText({ folder, images, confidence }: PseudoEvent): string {
  const counts = Object.entries(images).map(([name, count]) => `${name} ${count}`);
  const total = Object.values(images).reduce((sum, count) => sum + count, 0);
  return `\nPseudo-labels: ${plural(total, 'picture')} of ${folder} (${counts.join(', ')}; highest score ${confidence.toFixed(4)} on average). Training again, with them:`;
}

/** A sweep of learning rates as a table of every fifth, and what follows from it. */
export function curveText({ points, steepest, minimum }: RateCurve): string {
  const rows = points
    .filter((_, i) => i % 5 === 0)
    .map(({ rate, loss }) => `${rate.toExponential(2)}  ${measureText(loss)}`);
  return [
    'rate      loss',
    ...rows,
    // The least loss is where the sweep begins.
    steepest >= 10 * minimum
      ? 'No rate lowered the loss'
      : `Steepest at ${steepest.toExponential(1)}; a tenth of the rate of the least loss: ${minimum.toExponential(1)}`,
  ].join('\n');
}
