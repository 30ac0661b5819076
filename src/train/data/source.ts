import type { Preprocess } from '../../onnx/card.ts';
import type { StoredModel } from '../../onnx/read.ts';
import type { SkippedFile } from '../../runtime/folder.ts';
import type { FeatureProgress } from '../feature-options.ts';
import type { CutPoint } from '../plan/cut-point.ts';
import type { Examples } from '../trainer.ts';

/** Which samples something is about. */
export type Part = 'train' | 'valid';

/** What a stage asks of the data. */
export interface ExampleRequest {
  readonly part: Part;
  /** The model with whatever its frozen part has learned. */
  readonly model: StoredModel;
  /** Where its frozen part ends. */
  readonly cut: CutPoint;
  /** From 0: random changes differ from stage to stage. */
  readonly stage: number;
}

/** Samples at a cut. Whoever asked for them closes them. */
export interface Prepared {
  readonly examples: Examples;
  /** Class of each, where there are classes. */
  readonly labels: Uint32Array | undefined;
  readonly skipped: readonly SkippedFile[];
  /** How pictures became the model's input. */
  readonly preprocess: Preprocess | undefined;
  /** Changes when the data does. */
  readonly fingerprint: string;
  readonly close: () => Promise<void>;
}

/** Told while samples are prepared, and what ends it. */
export interface SourceEvents {
  /** Looked at before each run of the frozen part. */
  readonly signal?: AbortSignal | undefined;
  /** Something that people should know, once. */
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly onSkip: (part: Part, skipped: SkippedFile) => void;
  readonly onProgress: (part: Part, progress: FeatureProgress) => void;
}

/** Where features are while a stage runs. */
export interface Holding {
  readonly isInMemory: boolean;
  /** For people. */
  readonly words: string;
}

/** Where samples come from. */
export interface DataSource {
  /** The shape of a sample, where it is known before the model is. */
  readonly sample?: readonly number[] | undefined;
  /** Names of the classes; `undefined` where there are none. */
  readonly classes: readonly string[] | undefined;
  /** Numbers that a target has. */
  readonly outputs: number;
  readonly counts: { readonly [P in Part]: number };
  /** Digest of what is known of the data before it is read. */
  readonly identity: string;
  /** What is done with the training samples' features at a cut. */
  readonly holding: (model: StoredModel, cut: CutPoint) => Holding;
  readonly prepare: (request: ExampleRequest) => Promise<Prepared>;
}
