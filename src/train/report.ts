import { basename } from 'node:path';
import { readCard } from '../onnx/card.ts';
import type { Baselines } from './baselines.ts';
import type { Prepared } from './data/source.ts';
import type { StageRecord } from './epoch.ts';
import type { TrainOptions } from './options.ts';
import type { PlannedStage } from './plan/report.ts';
import type { Campaign } from './stage-open.ts';

/** A history as JSON. */
export type Report = Record<string, unknown>;

/** What is told of a training after it. */
interface Told {
  readonly removed: readonly string[];
  readonly stages: readonly PlannedStage[];
  readonly data: { readonly train: Prepared; readonly valid: Prepared | undefined };
  readonly records: readonly StageRecord[];
  readonly baselines: Baselines | undefined;
  readonly meanBaseline: number | undefined;
  readonly softSamples: TrainOptions['softSamples'];
}

/** How the model came about: plan, data and measures. A base that was fine-tuned itself keeps its own history inside. */
export function historyOf(
  { network, settings, loss, source }: Campaign,
  { removed, stages, data, records, baselines, meanBaseline, softSamples }: Told,
): Report {
  const { base, at, headPlan } = network;
  const { stages: _, ...rest } = settings;
  const before = readCard(base).history;
  const dropout = headPlan.layers.find((layer) => layer.kind === 'dropout');
  return {
    plan: {
      ...rest,
      loss,
      dropout: dropout?.kind === 'dropout' ? dropout.rate : 0,
      features: at,
      removed,
      head: headPlan.layers,
      stages: stages.map(stageOf),
    },
    base: basename(base.path),
    data: {
      train: dataOf(data.train, source.classes),
      ...(data.valid && { valid: dataOf(data.valid, source.classes) }),
    },
    ...(softSamples && { pseudoLabels: softSamples.size }),
    // Times are for people who watch: without them equal trainings give equal files.
    epochs: records.map(({ seconds: _seconds, ...measures }) => measures),
    ...(baselines && { baselines }),
    ...(meanBaseline !== undefined && { baselines: { mean: meanBaseline } }),
    ...(before && { before }),
  };
}

function stageOf({ settings, part, size }: PlannedStage): Report {
  const { optimizer, ...rest } = settings;
  const numbers = Object.fromEntries(
    Object.entries(optimizer).filter(
      ([name, value]) => name !== 'slots' && typeof value !== 'function' && value !== undefined,
    ),
  );
  return {
    ...rest,
    optimizer: numbers,
    layers: part.layers.map(({ name }) => name),
    parameters: size,
    cut: part.cut.name,
    width: part.cut.width,
  };
}

function dataOf(
  { examples, labels, fingerprint, skipped }: Prepared,
  classes: readonly string[] | undefined,
): Report {
  const images =
    labels && classes
      ? Object.fromEntries(
          classes.map((name, label) => [name, labels.filter((each) => each === label).length]),
        )
      : undefined;
  return {
    samples: examples.rows.count,
    ...(images && { images }),
    fingerprint,
    skipped: skipped.length,
  };
}
