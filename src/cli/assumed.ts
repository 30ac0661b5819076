import { readCard } from '../onnx/card.ts';
import { readModel } from '../onnx/read.ts';
import type { Preprocess } from '../runtime/model.ts';
import { note } from './terminal.ts';

/** What is to be said where a model's card has no more than an assumption of what was done to its pictures. */
export function assumedWords(
  model: string,
  preprocess: Preprocess | undefined,
): string | undefined {
  if (preprocess?.assumed !== true) return undefined;
  return (
    `${model} does not say what is done to pixels before it; they go in as they are, 0 to 255. ` +
    'If it was trained on others, convert it again with --preprocess tf, caffe or torch (predict and train take it too).'
  );
}

/** Says it, if there is something to be said. */
export function noteAssumed(model: string, preprocess: Preprocess | undefined): void {
  const words = assumedWords(model, preprocess);
  if (words !== undefined) note(`Warning: ${words}`);
}

/** As `noteAssumed`, of a file that someone else is about to open; `mode`: what was said about it now. */
export function noteAssumedIn(path: string, mode: Preprocess['mode'] | undefined): void {
  if (mode === undefined) noteAssumed(path, readCard(readModel(path)).preprocess);
}
