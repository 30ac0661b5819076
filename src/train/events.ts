import type { SkippedFile } from '../runtime/folder.ts';
import type { Baselines } from './baselines.ts';
import type { Part } from './data/source.ts';
import type { StageRecord } from './epoch.ts';
import type { FeatureProgress } from './feature-options.ts';
import type { PlanReport } from './plan/report.ts';
import type { StepMoment } from './stage-run.ts';

/** What happens while a model is fine-tuned, in order. */
export type TrainEvent =
  | ({ readonly kind: 'plan' } & PlanReport)
  /** A saved training goes on from here. */
  | {
      readonly kind: 'resumed';
      readonly stage: number;
      readonly epoch: number;
      readonly step: number;
    }
  | { readonly kind: 'stage'; readonly stage: number; readonly train: string }
  | ({ readonly kind: 'features'; readonly part: Part; readonly stage: number } & FeatureProgress)
  | ({ readonly kind: 'skip'; readonly part: Part } & SkippedFile)
  /** Something that is not as one may think: choices without effect, features that cannot be kept. */
  | { readonly kind: 'warning'; readonly text: string }
  /** After each step; where an epoch is one run of the runtime, after its last. */
  | ({ readonly kind: 'step'; readonly stage: number; readonly epochs: number } & StepMoment)
  /** `samples` are those that were learned from. */
  | ({ readonly kind: 'epoch'; readonly epochs: number; readonly samples: number } & StageRecord)
  /** A stage ended before its last epoch; the weights are those of the best one, or of the last good one. */
  | { readonly kind: 'ended'; readonly stage: number; readonly why: 'stopped' | 'diverged' }
  | ({ readonly kind: 'baselines' } & Baselines)
  /** Of a training on numbers: the mean absolute error of always predicting their mean. */
  | { readonly kind: 'meanBaseline'; readonly val_mae: number }
  /** Pictures without a class got the scores of the model so far, and join the training ones. */
  | {
      readonly kind: 'pseudoLabels';
      readonly folder: string;
      /** How many are most likely of each class. */
      readonly images: Readonly<Record<string, number>>;
      /** Mean of the highest scores. */
      readonly confidence: number;
    }
  | {
      readonly kind: 'done';
      readonly output: string;
      readonly bytes: number;
      readonly history: string | undefined;
      /** Where the model should have gone, if another file came there meanwhile. */
      readonly taken?: string | undefined;
    };
