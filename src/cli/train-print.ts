import type { TrainEvent } from '../train/events.ts';
import type { RateCurve } from '../train/rate-finder.ts';
import { bytesText, countText, note, type Progress, print, progressBar } from './terminal.ts';

interface EventPrinter {
  readonly print: (event: TrainEvent) => void;
  readonly stop: () => void;
}

/** Prints the plan, then progress as Keras does. */
export function eventPrinter(about: string): EventPrinter {
  let bar: Progress | undefined;
  let samples = 0;
  let stages = 1;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    stop,
    print(event) {
      if (event.kind === 'features') {
        bar ??= progressBar(`Features (${event.part})`, 'samples');
        bar.update(event.done, event.total);
        if (event.done === event.total) {
          stop();
          print(`Features (${event.part}): ${event.total} samples, ${event.cached} from the cache`);
        }
        return;
      }
      if (event.kind === 'plan') [samples, stages] = [event.trainSamples, event.stages.length];
      const text = eventText(event, { samples, stages, about });
      if (event.kind === 'skip' || event.kind === 'ended') note(text);
      else if (text !== '') print(text);
    },
  };
}

type Told = Exclude<TrainEvent, { readonly kind: 'features' }>;

interface Context {
  readonly samples: number;
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
    case 'skip':
      return `Skipped ${event.path}: ${event.reason}`;
    case 'epoch':
      return epochText(event, context.samples);
    case 'ended':
      return endedText(event);
    case 'baselines':
      return baselineText(event);
    case 'pseudoLabels':
      return pseudoText(event);
    case 'done':
      return `${event.output}\n  ${bytesText(event.bytes)}`;
  }
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
      ? `Found ${trainSamples} samples belonging to ${classes.length} classes: ${classes.join(', ')}`
      : `Found ${trainSamples} samples`,
    ...(removed.length > 0 ? [`Taken off: ${removed.join(', ')}`] : []),
    head.length > 0
      ? `New head at "${at}" (${width} numbers): ${layers.join(', ')}: ${countText(size)} parameters`
      : 'The model keeps its own end',
    `${loss}, ${about}`,
    ...stages.flatMap((stage, i) => stageText(stage, i, event)),
    `Train on ${trainSamples} samples${validSamples > 0 ? `, validate on ${validSamples} samples` : ''}`,
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
      `${epochs} epochs, batch ${batchSize}${stopping ? `, patience ${stopping.patience}` : ''}`,
    `  frozen up to "${part.cut.name}" [${part.cut.shape.join(', ')}]: ${holding.words}, ${bytesText(featureBytes)}`,
    `  memory about ${bytesText(memory.total + held)}: weights ${bytesText(memory.weights)}, ` +
      `gradients ${bytesText(memory.gradients)}, optimizer ${bytesText(memory.state)}, ` +
      `activations ${bytesText(memory.activations)}, features ${bytesText(held)}`,
  ];
}

type EpochEvent = Extract<TrainEvent, { readonly kind: 'epoch' }>;

/** Keras' line of a finished epoch. */
function epochText(event: EpochEvent, samples: number): string {
  const measures = (['loss', 'acc', 'val_loss', 'val_acc'] as const).flatMap((name) => {
    const value = event[name];
    return value === undefined ? [] : [`${name}: ${measureText(value)}`];
  });
  const { saturated = 0 } = event;
  return [
    `Epoch ${event.epoch}/${event.epochs}`,
    `${samples}/${samples} [${'='.repeat(30)}] - ${event.seconds.toFixed(2)}s - ${measures.join(' - ')}`,
    ...(saturated > 0
      ? [
          `Warning: ${saturated} samples are wrong with full confidence (saturated): lower the learning rate`,
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
  return `\nPseudo-labels: ${total} pictures of ${folder} (${counts.join(', ')}; highest score ${confidence.toFixed(4)} on average). Training again, with them:`;
}

/** A sweep of learning rates as a table of every fifth, and what follows from it. */
export function curveText({ points, steepest, minimum }: RateCurve): string {
  const rows = points
    .filter((_, i) => i % 5 === 0)
    .map(({ rate, loss }) => `${rate.toExponential(2)}  ${measureText(loss)}`);
  return [
    'rate      loss',
    ...rows,
    `Steepest at ${steepest.toExponential(1)}; a tenth of the rate of the least loss: ${minimum.toExponential(1)}`,
  ].join('\n');
}
