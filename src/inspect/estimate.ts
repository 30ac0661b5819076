import { ToolkitError } from '../errors.ts';
import type { Line } from './lines.ts';
import { bytesText, countText } from './numbers.ts';

/** Copies of each trained parameter that an optimizer keeps, besides parameter and gradient. */
export const stateCopies = { sgd: 0, momentum: 1, rmsprop: 1, adam: 2 } as const;
export type OptimizerName = keyof typeof stateCopies;

/** Which layers learn: the last one with weights; all dense ones after the last convolution; all; or these. */
export type Trainable = 'head' | 'dense' | 'all' | readonly string[];

export interface Estimate {
  readonly bytes: number;
  readonly parts: {
    readonly weights: number;
    readonly activations: number;
    readonly gradients: number;
    readonly state: number;
  };
  /** The sum in words, with its numbers. */
  readonly formula: string;
  /** Lines whose output size is not known and therefore not counted. */
  readonly uncounted: number;
}

interface Sizes {
  readonly batch: number;
  /** Bytes of one activation: 4 for float32. */
  readonly width: number;
}

/**
 * Memory that running the model takes: all weights, and the activations that live at once at the worst moment.
 *
 * An activation lives from the layer that puts it out to the last one that reads it. The runtime itself and the
 * workspace of its kernels are not counted.
 */
export function inferenceMemory(lines: readonly Line[], { batch, width }: Sizes): Estimate {
  const weights = total(lines, 'weightBytes');
  const peak = peakActivations(lines);
  const activations = peak.numbers * width * batch;
  return {
    bytes: weights + activations,
    parts: { weights, activations, gradients: 0, state: 0 },
    formula:
      `weights ${bytesText(weights)} + activations ${bytesText(activations)} ` +
      `(most that live at once, at "${peak.at}": ${countText(peak.numbers)} × ${width} B × batch ${batch})`,
    uncounted: uncounted(lines),
  };
}

/**
 * Memory that training takes: all weights; for those that learn a gradient and the optimizer's state; and the
 * activations.
 *
 * From the first layer that learns on, each activation is kept and has a gradient of its own; what flows into that
 * part is kept once. Before it, nothing is kept: there the worst moment of running counts, where it is larger.
 */
export function trainingMemory(
  lines: readonly Line[],
  {
    batch,
    width,
    trainable,
    optimizer,
  }: Sizes & { readonly trainable: Trainable; readonly optimizer: OptimizerName },
): Estimate {
  const learning = learningLines(lines, trainable);
  const parameters = learning.reduce((sum, at) => sum + (lines[at]?.trainable ?? 0), 0);
  const copies = stateCopies[optimizer];
  const weights = total(lines, 'weightBytes');
  // Gradients and state are float32 whatever the weights are
  const gradients = parameters * 4;
  const kept = keptActivations(lines, Math.min(...learning));
  const peak = peakActivations(lines);
  const activations = Math.max(2 * kept.own + kept.incoming, peak.numbers) * width * batch;
  const state = gradients * copies;
  const isKept = 2 * kept.own + kept.incoming >= peak.numbers;
  return {
    bytes: weights + gradients + state + activations,
    parts: { weights, activations, gradients, state },
    formula:
      `weights ${bytesText(weights)} + gradients ${bytesText(gradients)} (${countText(parameters)} × 4 B) + ` +
      `state of ${optimizer} ${bytesText(state)} (${copies} × gradients) + activations ${bytesText(activations)} ` +
      (isKept
        ? `((2 × ${countText(kept.own)} + ${countText(kept.incoming)} that flow in) × ${width} B × batch ${batch})`
        : `(running the part before: ${countText(peak.numbers)} × ${width} B × batch ${batch})`),
    uncounted: uncounted(lines),
  };
}

/** Positions of the lines that learn. Throws OPTION_INVALID for names that are not there, or when nothing learns. */
export function learningLines(lines: readonly Line[], trainable: Trainable): readonly number[] {
  const weighted = lines.flatMap(({ trainable: parameters }, at) => (parameters > 0 ? [at] : []));
  const chosen = weighted.filter(chooser(lines, weighted, trainable));
  if (chosen.length > 0) return chosen;
  throw new ToolkitError('OPTION_INVALID', `No layer with weights is meant by "${trainable}"`, {
    hint: `Layers with weights: ${weighted.map((at) => lines[at]?.name).join(', ') || 'none'}.`,
  });
}

function chooser(
  lines: readonly Line[],
  weighted: readonly number[],
  trainable: Trainable,
): (at: number) => boolean {
  switch (trainable) {
    case 'all':
      return () => true;
    case 'head':
      return (at) => at === weighted.at(-1);
    case 'dense': {
      const last = lines.findLastIndex(({ class: kind }) => /conv/i.test(kind));
      return (at) => at > last;
    }
    default:
      return named(lines, trainable);
  }
}

function named(lines: readonly Line[], names: readonly string[]): (at: number) => boolean {
  const known = new Set(lines.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new ToolkitError('OPTION_INVALID', `There is no layer named "${unknown.join('", "')}"`, {
      hint: `Choose from: ${[...known].join(', ')}.`,
    });
  }
  return (at) => names.includes(lines[at]?.name ?? '');
}

/** The line whose memory holds what the line at `at` puts out. */
function holder(lines: readonly Line[], at: number): number {
  const line = lines[at];
  const [input] = line?.inputs ?? [];
  return line?.activations === 0 && input !== undefined ? holder(lines, input) : at;
}

function peakActivations(lines: readonly Line[]): {
  readonly numbers: number;
  readonly at: string;
} {
  const lastUse = lines.map((_, at) => at);
  lines.forEach(({ inputs }, at) => {
    for (const input of inputs) lastUse[holder(lines, input)] = at;
  });
  let worst = { numbers: 0, at: lines[0]?.name ?? '' };
  lines.forEach(({ name }, at) => {
    const live = lines
      .slice(0, at + 1)
      .reduce((sum, line, i) => ((lastUse[i] ?? i) >= at ? sum + (line.activations ?? 0) : sum), 0);
    if (live > worst.numbers) worst = { numbers: live, at: name };
  });
  return worst;
}

function keptActivations(
  lines: readonly Line[],
  cut: number,
): { readonly own: number; readonly incoming: number } {
  const after = lines.slice(cut);
  const incoming = new Set(
    after.flatMap(({ inputs }) => inputs.map((at) => holder(lines, at))).filter((at) => at < cut),
  );
  return {
    own: after.reduce((sum, { activations }) => sum + (activations ?? 0), 0),
    incoming: [...incoming].reduce((sum, at) => sum + (lines[at]?.activations ?? 0), 0),
  };
}

function total(lines: readonly Line[], key: 'weightBytes'): number {
  return lines.reduce((sum, line) => sum + line[key], 0);
}

function uncounted(lines: readonly Line[]): number {
  return lines.filter(({ activations }) => activations === undefined).length;
}
