import { ToolkitError } from '../errors.ts';
import type { StageRecord } from './epoch.ts';

/** Weights that are no numbers any more are not kept, even where the loss of the step before was still one. Throws TRAINING_DIVERGED. */
export function refuseInfinite(
  parameters: ReadonlyMap<string, Float32Array>,
  { val_loss: validated = 0, lr }: StageRecord,
): void {
  const isFinite = [...parameters.values()].every((numbers) => numbers.every(Number.isFinite));
  if (isFinite && Number.isFinite(validated)) return;
  throw new ToolkitError(
    'TRAINING_DIVERGED',
    `After the epoch at learning rate ${lr} the weights are no finite numbers any more`,
    { hint: `Lower the learning rate, to ${lr / 10} for a start. Nothing was written.` },
  );
}

/** Saturation can stop the weights of a training that ran away before they are infinite. Throws TRAINING_DIVERGED. */
export function refuseRunaway(
  first: number,
  { loss, val_loss: validated = 0, lr }: StageRecord,
): void {
  const worst = Math.max(loss, validated);
  if (!(worst > 1e6 * Math.max(first, 1))) return;
  throw new ToolkitError(
    'TRAINING_DIVERGED',
    `The loss ran away at learning rate ${lr}: it was ${first.toPrecision(4)} before, and is ${worst.toExponential(3)} now`,
    { hint: 'Lower the learning rate: --find-lr tries which are fit. Nothing was written.' },
  );
}
