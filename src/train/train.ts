import { resolve } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { checkTarget, freeName } from '../output.ts';
import type { SkippedFile } from '../runtime/folder.ts';
import { checkProvider } from '../runtime/session.ts';
import { type Baselines, baselinesOf } from './baselines.ts';
import { writeGrowing, writeReport } from './callbacks/history.ts';
import { openSaving, type Saving } from './callbacks/saving.ts';
import { openCampaign } from './campaign.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Prepared, SourceEvents } from './data/source.ts';
import { FileDigests } from './digest.ts';
import type { StageRecord } from './epoch.ts';
import { stopPoint } from './interruption.ts';
import { meanBaseline } from './mean-baseline.ts';
import type { TrainOptions } from './options.ts';
import type { Learned } from './plan/network.ts';
import { type PlannedStage, plannedStages } from './plan/report.ts';
import { historyOf, type Report } from './report.ts';
import { checkedSettings } from './settings.ts';
import { type OpenStage, openStage, ownMeasure } from './stage-open.ts';
import { runStage, type StageResult } from './stage-run.ts';
import { checkTogether, refuseSame, warningsOf } from './together.ts';
import { writeTuned } from './write-tuned.ts';

/** A fine-tuned model. */
export interface TrainResult {
  readonly output: string;
  readonly bytes: number;
  /** Names of its classes; `undefined` where it predicts numbers. */
  readonly classes: readonly string[] | undefined;
  /** All epochs of all stages. */
  readonly history: readonly StageRecord[];
  /** Accuracies of simple models on the validation samples. */
  readonly baselines: Baselines | undefined;
  /** Where numbers are predicted: the mean absolute error on the validation samples of always predicting their mean. */
  readonly meanBaseline: number | undefined;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Fine-tunes a model in one stage or several: a new head, then layers before it, each stage with a rate of its own.
 *
 * What learns belongs to the plan: each stage has its own gradient graph, cut where its first learning layer is, and
 * the features of all before are computed once (and kept, see `extractFeatures`). The result is one ONNX file. A
 * training that was interrupted goes on with `resume` and ends with the same numbers, to the bit. Nothing is written
 * unless some epoch went well. Throws DATASET_EMPTY, DATASET_CLASSES, TRAINING_DIVERGED, TRAINING_INTERRUPTED,
 * OPTION_INVALID, OUTPUT_EXISTS, GRADIENT_MISSING, and what `popLayer`, `extractFeatures` and `splice` throw.
 */
export function train(options: TrainOptions): Promise<TrainResult> {
  return trainKnowing(options, new FileDigests());
}

/** The same, where some pictures may have been read before. */
export async function trainKnowing(
  options: TrainOptions,
  digests: FileDigests,
): Promise<TrainResult> {
  const settings = checkedSettings(options);
  await checkTargets(options);
  const skipped = new Map<string, SkippedFile>();
  const told = { stage: 1 };
  const events = sourceEvents(options, skipped, told);
  const campaign = await openCampaign(options, settings, events, digests);
  const stages = plannedStages(campaign.network, settings.stages, campaign);
  announce(options, campaign, stages);
  const saving = await openSaving(options, campaign);
  try {
    const course = new Course(options, campaign, saving);
    for (const [number, planned] of stages.entries()) {
      told.stage = number + 1;
      if (!(await course.stage(number, planned))) break;
    }
    return await course.finish(stages, [...skipped.values()]);
  } finally {
    await saving.close();
  }
}

/** Before hours of work, not after. What a resumed training wrote of its history may be there. */
export async function checkTargets(options: TrainOptions): Promise<void> {
  const { base, output, history, force, resume, provider = 'cpu', signal } = options;
  await stopPoint(signal, 'before it began');
  checkTogether(options);
  await refuseSame(base, output);
  await checkProvider(provider);
  await checkTarget(output, { force });
  if (history === undefined) return;
  await checkTarget(history, { force: force === true || resume === true });
  if (resolve(history) !== resolve(output)) return;
  throw new ToolkitError('OPTION_INVALID', 'The model and its history cannot be the same file', {
    where: { file: history },
    hint: 'Choose another name for the history.',
  });
}

/** A picture that is skipped in each stage is told of once. */
function sourceEvents(
  { onEvent, signal }: TrainOptions,
  skipped: Map<string, SkippedFile>,
  told: { readonly stage: number },
): SourceEvents {
  const warned = new Set<string>();
  return {
    signal,
    onWarning(text) {
      if (!warned.has(text)) onEvent?.({ kind: 'warning', text });
      warned.add(text);
    },
    onSkip(part, skip) {
      if (!skipped.has(skip.path)) onEvent?.({ kind: 'skip', part, ...skip });
      skipped.set(skip.path, skip);
    },
    onProgress: (part, progress) =>
      onEvent?.({ kind: 'features', part, stage: told.stage, ...progress }),
  };
}

function announce(
  { onEvent, monitor }: TrainOptions,
  { network, source, loss, removed, settings }: Awaited<ReturnType<typeof openCampaign>>,
  stages: readonly PlannedStage[],
): void {
  const isNew = network.headPlan.layers.length > 0;
  const width = network.base.values.get(network.at)?.shape.slice(1) ?? [];
  onEvent?.({
    kind: 'plan',
    classes: source.classes,
    removed,
    at: network.at,
    width: width.reduce<number>((size, dim) => size * Number(dim), 1),
    head: isNew ? network.layers.filter(({ name }) => network.head.has(name)) : [],
    loss,
    stages,
    trainSamples: source.counts.train,
    validSamples: source.counts.valid,
  });
  for (const text of warningsOf({ monitor }, settings, source.counts.valid)) {
    onEvent?.({ kind: 'warning', text });
  }
}

/** A training on its way from stage to stage. */
class Course {
  readonly #options: TrainOptions;
  readonly #campaign: Awaited<ReturnType<typeof openCampaign>>;
  readonly #saving: Saving;
  #learned: Learned = new Map();
  #records: readonly StageRecord[] = [];
  #baselines: Baselines | undefined;
  #meanBaseline: number | undefined;
  #data: { readonly train: Prepared; readonly valid: Prepared | undefined } | undefined;

  constructor(
    options: TrainOptions,
    campaign: Awaited<ReturnType<typeof openCampaign>>,
    saving: Saving,
  ) {
    this.#options = options;
    this.#campaign = campaign;
    this.#saving = saving;
    const { found } = saving;
    if (!found) return;
    this.#learned = found.learned;
    this.#records = found.history;
    this.#baselines = found.baselines;
    const { stage, epoch, progress } = found;
    options.onEvent?.({ kind: 'resumed', stage: stage + 1, epoch, step: progress.step });
  }

  /** Trains a stage; false when the plan should not go on. */
  async stage(number: number, planned: PlannedStage): Promise<boolean> {
    const found = this.#found(number);
    if (found === 'done') return true;
    const { onEvent } = this.#options;
    onEvent?.({ kind: 'stage', stage: number + 1, train: planned.settings.train });
    const open = await openStage(this.#campaign, { number, planned }, this.#learned);
    try {
      this.#data ??= open.prepared;
      this.#compareWithMean(open);
      const result = await this.#run(open, { number, planned, found });
      this.#learned = new Map([...this.#learned, ...result.parameters]);
      await this.#measureBaselines(planned, open);
      if (result.ended) onEvent?.({ kind: 'ended', stage: number + 1, why: result.ended });
      return result.ended !== 'diverged';
    } finally {
      await open.close();
    }
  }

  /** What the checkpoint says of a stage: that it is over, where it stood, or nothing. */
  #found(number: number): Checkpoint | 'done' | undefined {
    const { found } = this.#saving;
    if (!found || found.stage < number) return undefined;
    return found.stage > number ? 'done' : found;
  }

  async #run(
    { trainer, train: examples, valid }: OpenStage,
    {
      number,
      planned,
      found,
    }: {
      readonly number: number;
      readonly planned: PlannedStage;
      readonly found: Checkpoint | undefined;
    },
  ): Promise<StageResult> {
    const { settings, source } = this.#campaign;
    const { epochs, batchSize, optimizer, schedule, stopping } = planned.settings;
    const { onEvent, signal, history } = this.#options;
    const before = this.#records;
    const result = await runStage({
      stage: number,
      trainer,
      train: examples,
      valid,
      epochs,
      batchSize,
      rate: optimizer.learningRate,
      schedule,
      monitor: settings.monitor,
      measure: ownMeasure(source),
      keras: optimizer.keras,
      stopping,
      seed: settings.seed,
      shuffle: settings.shuffle,
      resume: found,
      signal,
      onStep: (moment) => onEvent?.({ kind: 'step', stage: number + 1, epochs, ...moment }),
      isSaveDue: this.#saving.isDue,
      save: (state, records) =>
        this.#saving.save({
          ...state,
          history: [...before, ...records],
          learned: this.#learned,
          baselines: this.#baselines,
        }),
      onEpoch: async (record) => {
        this.#records = [...this.#records, record];
        await writeGrowing(history, this.#records);
        onEvent?.({ kind: 'epoch', epochs, samples: examples.rows.count, ...record });
      },
    });
    return result;
  }

  /** On the features that the head sees, when they are kept anyway. */
  async #measureBaselines(
    { part }: PlannedStage,
    { train: examples, valid, prepared }: OpenStage,
  ): Promise<void> {
    const { network, source } = this.#campaign;
    const [known, asked] = [prepared.train.labels, prepared.valid?.labels];
    const isWanted = this.#options.baselines !== false && !this.#baselines;
    if (!isWanted || part.cut.name !== network.at || !known || !asked || !source.classes) return;
    if (!examples.rows.isKept || valid?.rows.isKept !== true) return;
    this.#baselines = await baselinesOf(
      { rows: examples.rows, labels: known },
      { rows: valid.rows, labels: asked },
      { classes: source.classes.length },
    );
    this.#options.onEvent?.({ kind: 'baselines', ...this.#baselines });
  }

  /** Of numbers, once; the targets are all that it takes. */
  #compareWithMean({ train: { targets }, valid }: OpenStage): void {
    const { source, outputs } = this.#campaign;
    if (source.classes || !valid || this.#meanBaseline !== undefined) return;
    this.#meanBaseline = meanBaseline(targets, valid.targets, outputs);
    this.#options.onEvent?.({ kind: 'meanBaseline', val_mae: this.#meanBaseline });
  }

  /** Writes the model and the history; under other names, if files came there while it was trained. */
  async finish(
    stages: readonly PlannedStage[],
    skipped: readonly SkippedFile[],
  ): Promise<TrainResult> {
    const { output: wanted, force, onEvent } = this.#options;
    const output = force === true ? wanted : await freeName(wanted);
    const isTaken = output !== wanted;
    const { history: own } = this.#options;
    // A history that is not of this model is not overwritten.
    const history = isTaken && own !== undefined ? await freeName(own) : own;
    const report = await this.#report(stages);
    const { bytes } = await writeTuned(this.#campaign, this.#learned, {
      output,
      force,
      report,
      preprocess: this.#data?.train.preprocess,
    });
    await writeReport(history, report);
    await this.#saving.finish();
    onEvent?.({ kind: 'done', output, bytes, history, ...(isTaken && { taken: wanted }) });
    return {
      output,
      bytes,
      classes: this.#campaign.source.classes,
      history: this.#records,
      baselines: this.#baselines,
      meanBaseline: this.#meanBaseline,
      skipped,
    };
  }

  /** A resumed training whose stages were all over has not seen its data yet. */
  async #report(stages: readonly PlannedStage[]): Promise<Report> {
    const [last] = stages.toReversed();
    if (!this.#data && last) await this.stage(stages.length - 1, last);
    if (!this.#data) throw new Error('Bug: no stage was opened');
    return historyOf(this.#campaign, {
      removed: this.#campaign.removed,
      stages,
      data: this.#data,
      records: this.#records,
      baselines: this.#baselines,
      meanBaseline: this.#meanBaseline,
      softSamples: this.#options.softSamples,
    });
  }
}
