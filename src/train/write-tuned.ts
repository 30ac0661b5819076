import { cardMetadata } from '../onnx/card.ts';
import { spliceModel } from '../onnx/edit.ts';
import type { Prepared } from './data/source.ts';
import { type Learned, learnedHead } from './plan/network.ts';
import type { Report } from './report.ts';
import { type Campaign, replacements } from './stage-open.ts';

/** Where the model goes, and what it says of itself. */
interface Writing {
  readonly output: string;
  readonly force: boolean | undefined;
  readonly report: Report;
  readonly preprocess: Prepared['preprocess'];
}

/** The base with what it learned, and the head behind it. */
export function writeTuned(
  { network, source }: Campaign,
  learned: Learned,
  { output, force, report, preprocess }: Writing,
): Promise<{ readonly bytes: number }> {
  const { base, at, records } = network;
  const card = {
    ...(source.classes && { classes: [...source.classes] }),
    ...(preprocess && { preprocess }),
    ...(records && { layers: [...records] }),
    history: report,
  };
  return spliceModel(base, output, {
    at,
    head: learnedHead(network, learned),
    metadata: cardMetadata(card),
    // Numbers that are predicted have no class names, though the base may have had.
    withdrawn: source.classes ? [] : ['graft.classes'],
    replaced: replacements(base, learned, at),
    force,
  });
}
