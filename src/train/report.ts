import { basename } from 'node:path';
import { readCard } from '../onnx/card.ts';
import type { StoredModel } from '../onnx/read.ts';
import type { FeatureCut } from './cut.ts';
import type { FeatureSet } from './dataset.ts';
import type { EpochRecord } from './fit.ts';
import type { Head } from './head.ts';
import type { Settings } from './settings.ts';

/** What was trained, on what, and how. */
export interface Plan {
  readonly cut: FeatureCut;
  readonly head: Head;
  readonly sets: Sets;
  readonly settings: Settings;
}

/** The features of both folders. */
export interface Sets {
  readonly train: FeatureSet;
  readonly valid: FeatureSet | undefined;
}

/** A history as JSON. */
export type Report = Record<string, unknown>;

/** How the model came about: plan, data and measures. A base that was fine-tuned itself keeps its own history inside. */
export function historyOf(
  base: StoredModel,
  { cut, head, sets, settings, history }: Plan & { readonly history: readonly EpochRecord[] },
): Report {
  const { optimizer, ...rest } = settings;
  const { slots: _slots, update: _update, ...numbers } = optimizer;
  const before = readCard(base).history;
  return {
    plan: {
      ...rest,
      dropout: head.dropout,
      features: cut.at,
      width: cut.width,
      removed: cut.removed,
    },
    optimizer: numbers,
    base: basename(base.path),
    data: { train: dataOf(sets.train), ...(sets.valid && { valid: dataOf(sets.valid) }) },
    // Times are for people who watch: without them equal trainings give equal files.
    epochs: history.map(({ seconds: _seconds, ...measures }) => measures),
    ...(before && { before }),
  };
}

function dataOf({ classes, labels, fingerprint, skipped }: FeatureSet): Report {
  const images = Object.fromEntries(
    classes.map((name, label) => [name, labels.filter((each) => each === label).length]),
  );
  return { images, fingerprint, skipped: skipped.length };
}
