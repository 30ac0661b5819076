import { readCard } from '../onnx/card.ts';
import { readModel } from '../onnx/read.ts';
import type { Preprocess } from '../runtime/model.ts';
import { note } from './terminal.ts';

/** Says that nothing tells what was done to a model's pictures, where its card has no more than an assumption. */
export function noteAssumed(model: string, preprocess: Preprocess | undefined): void {
  if (preprocess?.assumed !== true) return;
  note(
    `Warning: ${model} does not say what is done to pixels before it; they go in as they are, 0 to 255. ` +
      'If it was trained on others, convert it again with --preprocess tf, caffe or torch (predict and train take it too).',
  );
}

/** As `noteAssumed`, of a file that someone else is about to open; `mode`: what was said about it now. */
export function noteAssumedIn(path: string, mode: Preprocess['mode'] | undefined): void {
  if (mode === undefined) noteAssumed(path, readCard(readModel(path)).preprocess);
}
