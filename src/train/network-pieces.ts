import type { Provider } from '../runtime/providers.ts';
import { sizeOf } from '../tensor.ts';
import { willHaveFactors } from './factored.ts';
import type { NetworkGraph } from './network-graph.ts';
import type { NetworkPlan } from './network-plan.ts';
import { isPiecewise } from './norm-limits.ts';
import { isInReach, PieceUpdate } from './piece-update.ts';

/** From so many parameters on their update pays for passing them by itself. */
const manyNumbers = 2 ** 18;

/** What is moved, and how. */
type Moved = Pick<NetworkPlan, 'graph' | 'parameters' | 'optimizer'>;

/** Whether it pays to update the parameters piece by piece, on the CPU. */
export function isForPieces(plan: Moved): boolean {
  const sizes = plan.parameters.map(({ name }) => parameterSize(plan, name));
  const isInReachOfAll = sizes.every((size) => isInReach(plan.optimizer, size));
  return isInReachOfAll && sizes.reduce((sum, size) => sum + size, 0) >= manyNumbers;
}

/** Numbers of a parameter. */
export function parameterSize({ graph }: Pick<NetworkPlan, 'graph'>, name: string): number {
  return sizeOf(graph.initializers.get(name)?.shape ?? [0]);
}

/** The parameters whose gradients are never whole on that provider, but made of their factors a few rows at a time. */
export function neverWhole(plan: Moved, provider: Provider): ReadonlySet<string> {
  const isByFactors = provider === 'cpu' && isPiecewise(plan.optimizer) && isForPieces(plan);
  const names = plan.parameters.map(({ name }) => name);
  return new Set(isByFactors ? names.filter((name) => willHaveFactors(plan.graph, name)) : []);
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
