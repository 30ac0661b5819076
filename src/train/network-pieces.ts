import { sizeOf } from '../tensor.ts';
import type { NetworkGraph } from './network-graph.ts';
import type { NetworkPlan } from './network-plan.ts';
import { isInReach, PieceUpdate } from './piece-update.ts';

/** From so many parameters on their update pays for passing them by itself. */
const manyNumbers = 2 ** 18;

/** Whether it pays to update the parameters piece by piece, on the CPU. */
export function isForPieces(plan: NetworkPlan): boolean {
  const sizes = plan.parameters.map(({ name }) => parameterSize(plan, name));
  const isInReachOfAll = sizes.every((size) => isInReach(plan.optimizer, size));
  return isInReachOfAll && sizes.reduce((sum, size) => sum + size, 0) >= manyNumbers;
}

/** Numbers of a parameter. */
export function parameterSize({ graph }: NetworkPlan, name: string): number {
  return sizeOf(graph.initializers.get(name)?.shape ?? [0]);
}

/** Room for the parameters, which the gradients of that graph move. */
export function piecesOf(plan: NetworkPlan, { fetches }: NetworkGraph): PieceUpdate {
  const moving = plan.parameters.map((settings, i) => {
    const gradient = fetches.gradients[i];
    const matrix = typeof gradient === 'object' ? gradient : undefined;
    return { settings, size: parameterSize(plan, settings.name), matrix };
  });
  return new PieceUpdate(plan.optimizer, moving, plan.batchSize);
}
