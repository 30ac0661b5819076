import { ToolkitError } from '../errors.ts';
import {
  type EarlyStopping,
  freshStopping,
  lookAt,
  type StoppingState,
} from './callbacks/early-stopping.ts';
import type { Monitor } from './callbacks/monitor.ts';
import { afterPlateau, freshPlateau, type PlateauState } from './callbacks/plateau.ts';
import { saturatedIn } from './callbacks/saturation.ts';
import type { Checkpoint } from './checkpoint.ts';
import { refuseInfinite, refuseRunaway } from './divergence.ts';
import type { EpochMeasures, Measure, StageRecord } from './epoch.ts';
import { turn } from './interruption.ts';
import { RandomState, streamSeed } from './random.ts';
import { inOrder, targetsOf } from './rows.ts';
import { rateAt, type Schedule } from './schedules.ts';
import {
  type Evaluation,
  type Examples,
  noProgress,
  type Progress,
  type Trainer,
} from './trainer.ts';

/** Where a stage stands, as a checkpoint keeps it. */
type StageState = Pick<
  Checkpoint,
  'stage' | 'epoch' | 'progress' | 'isStageOver' | 'stopping' | 'plateau' | 'trainer' | 'best'
>;

/** One stage with all that it needs. */
export interface StageRun {
  /** From 0. */
  readonly stage: number;
  readonly trainer: Trainer;
  readonly train: Examples;
  readonly valid: Examples | undefined;
  readonly epochs: number;
  readonly batchSize: number;
  readonly rate: number;
  readonly schedule: Schedule;
  readonly monitor: Monitor;
  readonly measure: Measure;
  readonly keras: 1 | 3;
  /** Without it every epoch is trained and the last weights stay. */
  readonly stopping: EarlyStopping | undefined;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Where an interrupted run of the same stage stood. */
  readonly resume: StageState | undefined;
  readonly signal: AbortSignal | undefined;
  /** After each step; `steps` are those of an epoch. */
  readonly onStep?: ((moment: StepMoment) => void) | undefined;
  /** Asked after each step and each epoch. */
  readonly isSaveDue: (isEpochOver: boolean) => boolean;
  readonly save: (state: StageState, records: readonly StageRecord[]) => Promise<void>;
  readonly onEpoch: (record: StageRecord) => Promise<void> | void;
}

/** How far an epoch is. */
export interface StepMoment {
  /** From 1. */
  readonly epoch: number;
  /** Steps done, and those of an epoch. */
  readonly step: number;
  readonly steps: number;
  /** Mean over the samples so far. */
  readonly loss: number;
}

/** How a stage ended. */
export interface StageResult {
  readonly records: readonly StageRecord[];
  /** The weights that stay: of the best epoch with early stopping, else of the last. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** Why it ended before its last epoch. */
  readonly ended: 'stopped' | 'diverged' | undefined;
}

/**
 * Trains one stage, epoch by epoch, from its beginning or from where an interrupted run stood.
 *
 * What is random follows from seed, stage and epoch alone, so a resumed run is equal to the bit to one that was never
 * interrupted. A stage has diverged when its loss or a weight is no finite number, or its loss more than a million times
 * that before its first step (more than a million, where that was less than 1). Throws TRAINING_INTERRUPTED after a save
 * when the signal says so, and TRAINING_DIVERGED when not even the first epoch went well.
 */
export async function runStage(run: StageRun): Promise<StageResult> {
  // Before the weights of a resumed run are loaded: it has the same limit as one that was never interrupted.
  const standing = new Standing(run, await firstLoss(run));
  try {
    while (!standing.isOver) await standing.epoch();
  } catch (error) {
    const isDiverged = error instanceof ToolkitError && error.code === 'TRAINING_DIVERGED';
    if (!isDiverged || !standing.kept) throw error;
    return { records: standing.records, parameters: standing.kept, ended: 'diverged' };
  }
  const { stopping, trainer, epochs } = run;
  const last = standing.records.at(-1)?.epoch ?? epochs;
  return {
    records: standing.records,
    parameters: (stopping && standing.kept) ?? trainer.parameters(),
    ended: last < epochs ? 'stopped' : undefined,
  };
}

/** The loss of some rows before anything is learned. */
async function firstLoss({
  trainer,
  train: { rows, targets, ...more },
  batchSize,
}: StageRun): Promise<number> {
  const count = Math.min(batchSize, rows.count);
  const memory = rows.memory?.subarray(0, count * rows.width);
  const few = { ...rows, count, memory };
  const { loss } = await trainer.evaluate({
    ...more,
    rows: few,
    targets: targetsOf(targets, rows.count, inOrder(count)),
  });
  return loss;
}

class Standing {
  readonly records: StageRecord[] = [];
  readonly #run: StageRun;
  readonly #firstLoss: number;
  #epoch = 1;
  #progress: Progress = noProgress;
  #stopping: StoppingState = freshStopping;
  #plateau: PlateauState = freshPlateau;
  #isStopped = false;
  /** The weights of the best epoch with early stopping, else of the last one. */
  #kept: ReadonlyMap<string, Float32Array> | undefined;

  constructor(run: StageRun, before: number) {
    this.#run = run;
    this.#firstLoss = before;
    const { resume, trainer } = run;
    if (!resume) return;
    this.#epoch = resume.epoch;
    this.#progress = resume.progress;
    this.#stopping = resume.stopping;
    this.#plateau = resume.plateau;
    this.#isStopped = resume.isStageOver;
    trainer.load(resume.trainer);
    const isBetweenEpochs = resume.epoch > 1 && resume.progress.step === 0;
    this.#kept = resume.best ?? (isBetweenEpochs ? trainer.parameters() : undefined);
  }

  get kept(): ReadonlyMap<string, Float32Array> | undefined {
    return this.#kept;
  }

  get isOver(): boolean {
    return this.#isStopped || this.#epoch > this.#run.epochs;
  }

  async epoch(): Promise<void> {
    await turn();
    await this.#interrupt();
    const start = performance.now();
    const { train, valid, trainer, seed, stage, shuffle } = this.#run;
    const epoch = this.#epoch;
    const own = streamSeed(seed, `stage ${stage} epoch ${epoch}`);
    const { count } = train.rows;
    const order = shuffle
      ? new RandomState(streamSeed(own, 'shuffle')).permutation(count)
      : inOrder(count);
    const done = await trainer.epoch({
      examples: train,
      order,
      epoch,
      seed: streamSeed(own, 'dropout'),
      rate: (step) => this.#rate(step),
      from: this.#progress,
      onStep: (progress) => this.#afterStep(progress),
    });
    const validated = valid && (await trainer.evaluate(valid));
    const record = this.#record(done, validated, (performance.now() - start) / 1000);
    this.#look(record);
    this.records.push(record);
    this.#epoch += 1;
    this.#progress = noProgress;
    await this.#run.onEpoch(record);
    if (this.isOver || this.#run.isSaveDue(true)) await this.#save();
    await this.#interrupt();
  }

  #rate(step: number): number {
    const { schedule, rate, epochs } = this.#run;
    const stepsPerEpoch = this.#stepsPerEpoch();
    const moment = { step: (this.#epoch - 1) * stepsPerEpoch + step, stepsPerEpoch, epochs };
    return rateAt(schedule, rate, moment) * this.#plateau.factor;
  }

  #stepsPerEpoch(): number {
    return Math.ceil(this.#run.train.rows.count / this.#run.batchSize);
  }

  async #afterStep(progress: Progress): Promise<void> {
    const { step, loss, samples } = progress;
    const steps = this.#stepsPerEpoch();
    this.#run.onStep?.({ epoch: this.#epoch, step, steps, loss: loss / samples });
    await turn();
    if (step === steps) return;
    this.#progress = progress;
    if (this.#run.signal?.aborted !== true && !this.#run.isSaveDue(false)) return;
    await this.#save();
    await this.#interrupt(true);
  }

  async #interrupt(isSaved = false): Promise<void> {
    if (this.#run.signal?.aborted !== true) return;
    if (!isSaved) await this.#save();
    const done = this.#progress.step > 0 ? ` at step ${this.#progress.step}` : '';
    const stage = this.#run.stage + 1;
    const when = this.isOver ? `after stage ${stage}` : `in stage ${stage}, epoch ${this.#epoch}`;
    throw new ToolkitError('TRAINING_INTERRUPTED', `Training was interrupted ${when}${done}`, {
      hint: 'All of it is saved: the same command with --resume goes on from here.',
    });
  }

  #save(): Promise<void> {
    const { stage, trainer, save, stopping } = this.#run;
    return save(
      {
        stage,
        epoch: this.#epoch,
        progress: this.#progress,
        isStageOver: this.isOver,
        stopping: this.#stopping,
        plateau: this.#plateau,
        trainer: trainer.state(),
        best: stopping && this.#kept,
      },
      this.records,
    );
  }

  #record(done: Progress, valid: Evaluation | undefined, seconds: number): StageRecord {
    const { stage, measure, valid: examples } = this.#run;
    const saturated =
      valid && examples && measure === 'acc'
        ? saturatedIn(valid.output, examples.targets, examples.rows.count)
        : done.saturated;
    return {
      stage: stage + 1,
      epoch: this.#epoch,
      ...measuresOf(measure, done, valid),
      lr: this.#rate(this.#stepsPerEpoch() - 1),
      ...(saturated > 0 && { saturated }),
      seconds,
    };
  }

  /** What the epoch means for the best weights, for stopping and for the rate. */
  #look(record: StageRecord): void {
    const { stopping, schedule, monitor, keras, rate, trainer } = this.#run;
    const parameters = trainer.parameters();
    refuseInfinite(parameters, record);
    refuseRunaway(this.#firstLoss, record);
    if (stopping) {
      const { state, isBest, isOver } = lookAt(stopping, this.#stopping, this.#epoch, record);
      this.#stopping = state;
      this.#isStopped = isOver;
      if (isBest || !this.#kept) this.#kept = parameters;
    } else this.#kept = parameters;
    if (schedule.name !== 'plateau') return;
    const plateau = { monitor, keras, rate, numbers: schedule.numbers };
    this.#plateau = afterPlateau(plateau, this.#plateau, record);
  }
}

function measuresOf(
  measure: Measure,
  { loss: sum, correct, samples }: Progress,
  valid: Evaluation | undefined,
): EpochMeasures {
  const [loss, own] = [sum / samples, correct / samples];
  if (measure === 'mae') {
    return { loss, mae: own, ...(valid && { val_loss: valid.loss, val_mae: valid.acc }) };
  }
  return { loss, acc: own, ...(valid && { val_loss: valid.loss, val_acc: valid.acc }) };
}
