import { isJson } from '../../../keras/config.ts';
import { axisIn, inLayoutOf, integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import type { OperationCall } from './call.ts';

/** As far as a Slice can be told, in either direction. */
const end = 2 ** 31 - 1;

interface Part {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
}

/** What one axis keeps: a range, one place (which drops the axis), or everything; or a new axis. */
type Index =
  | { readonly kind: 'range'; readonly part: Part }
  | { readonly kind: 'place'; readonly at: number }
  | { readonly kind: 'new' };

/** x[...] with whole numbers, slices, None and an ellipsis. */
export function getItem(call: OperationCall): KerasTensor {
  const spec = call.raw(1, 'key', 'slice_spec');
  const list: readonly unknown[] = Array.isArray(spec) ? spec : [spec];
  const rank = call.x.shape.length;
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read together with what it serves
  const isRest = (item: unknown): boolean =>
    item === '...' ||
    (isJson(item) && String(item['class_name']).toLowerCase().includes('ellipsis'));
  const rest = list.findIndex(isRest);
  const taken = list.filter((item) => !isRest(item) && item !== null).length;
  const whole: readonly Index[] = Array.from({ length: rank - taken }, () => everything);
  const before = (rest < 0 ? list : list.slice(0, rest)).map((item) => indexOf(item, call));
  const after = (rest < 0 ? [] : list.slice(rest + 1)).map((item) => indexOf(item, call));
  return picked(call, [...before, ...whole, ...after]);
}

const everything: Index = { kind: 'range', part: { start: 0, stop: end, step: 1 } };

// oxlint-disable-next-line eslint/complexity -- one straight line of optional steps
function indexOf(item: unknown, call: OperationCall): Index {
  if (item === null) return { kind: 'new' };
  if (typeof item === 'number') return { kind: 'place', at: item };
  const config = isJson(item) ? (isJson(item['config']) ? item['config'] : item) : undefined;
  if (!config || !('start' in config)) throw call.refused(`the index ${JSON.stringify(item)}`);
  const [start, stop, step] = [config['start'], config['stop'], config['step'] ?? 1].map((part) => {
    if (part == null) return undefined;
    if (typeof part === 'number') return part;
    throw call.refused(`the slice ${JSON.stringify(item)}`);
  });
  const isForward = (step ?? 1) > 0;
  const part = {
    start: start ?? (isForward ? 0 : -1),
    stop: stop ?? (isForward ? end : -end - 1),
    step: step ?? 1,
  };
  return { kind: 'range', part };
}

function isAll({ start, stop, step }: Part): boolean {
  return start === 0 && stop >= end && step === 1;
}

function picked(call: OperationCall, indices: readonly Index[]): KerasTensor {
  const { graph, layouts } = call.bench;
  const axes = indices.filter(({ kind }) => kind !== 'new');
  const keepsRank = indices.every(({ kind }) => kind === 'range');
  const x = keepsRank ? layouts.padded(call.x) : layouts.keras(call.x);
  const parts = axes.flatMap((index, axis) => {
    if (index.kind === 'new') return [];
    const part =
      index.kind === 'range'
        ? index.part
        : { start: index.at, stop: index.at === -1 ? end : index.at + 1, step: 1 };
    return isAll(part) ? [] : [{ axis, part }];
  });
  const sliced = parts.length === 0 ? x : inLayoutOf(x, sliceOf(x, parts, call));
  const known = knownPart(x, indices);
  if (keepsRank) return known ? kerasTensor(graph.know(sliced.value, known)) : sliced;
  if (known && indices.length === 1) {
    const one = graph.add('Squeeze', [sliced.value, integers(graph, 'axes', [0])]);
    return kerasTensor(graph.know(one, known));
  }
  const dropped = axes.flatMap(({ kind }, axis) => (kind === 'place' ? [axis] : []));
  const thin =
    dropped.length === 0
      ? sliced.value
      : graph.add('Squeeze', [sliced.value, integers(graph, 'axes', dropped)]);
  const kept = indices.filter(({ kind }) => kind !== 'place');
  const added = kept.flatMap(({ kind }, axis) => (kind === 'new' ? [axis] : []));
  return kerasTensor(
    added.length === 0 ? thin : graph.add('Unsqueeze', [thin, integers(graph, 'axes', added)]),
  );
}

/** What is known of a part of a list of sizes. */
function knownPart(
  { value: { known, shape } }: KerasTensor,
  indices: readonly Index[],
): readonly (number | undefined)[] | undefined {
  const [index, ...others] = indices;
  if (!known || shape.length !== 1 || !index || others.length > 0) return undefined;
  if (index.kind === 'place') return [known.at(index.at)];
  if (index.kind === 'new' || index.part.step !== 1) return undefined;
  return known.slice(index.part.start, index.part.stop);
}

function sliceOf(
  x: KerasTensor,
  parts: readonly { readonly axis: number; readonly part: Part }[],
  { bench: { graph } }: OperationCall,
): KerasTensor['value'] {
  const list = (
    stem: string,
    of: (entry: (typeof parts)[number]) => number,
  ): KerasTensor['value'] => integers(graph, stem, parts.map(of));
  return graph.add('Slice', [
    x.value,
    list('starts', ({ part }) => part.start),
    list('ends', ({ part }) => part.stop),
    list('axes', ({ axis }) => axisIn(x, axis)),
    list('steps', ({ part }) => part.step),
  ]);
}
