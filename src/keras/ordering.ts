import { isJson, type Json } from './config.ts';
import { type DataFormat, type Dialect, dataFormatOf, isBeforeKeras2 } from './legacy.ts';
import type { Decision } from './model.ts';

/**
 * Where the channels are for layers that do not say: in Keras 1, ZeroPadding2D and Lambda never do.
 *
 * What the other layers say is taken; where they say nothing, the default of that Keras ("th" up to 1.0, "tf" since
 * 1.1, channels_last since 2.0).
 */
export function decideDataFormat(
  architecture: Json,
  { generation, version }: Pick<Dialect, 'generation' | 'version'>,
): { dataFormat: DataFormat; decisions: Decision[] } {
  const byDefault = defaultFormat(generation, version);
  if (!isBeforeKeras2(generation)) return { dataFormat: byDefault, decisions: [] };
  const stated = new Set(orderingsIn(architecture));
  const [first, second] = stated;
  const isClear = first !== undefined && second === undefined;
  const dataFormat = isClear ? first : byDefault;
  if (!isClear && !needsOrdering(architecture)) return { dataFormat, decisions: [] };
  const evidence = isClear
    ? 'what its layers say (dim_ordering)'
    : `its layers say ${stated.size === 0 ? 'nothing' : 'both'} (dim_ordering); the default of ${generation}${version === undefined ? '' : ` (${version})`} is taken for those that say nothing`;
  return { dataFormat, decisions: [{ subject: 'ordering', value: dataFormat, evidence }] };
}

function defaultFormat(generation: Dialect['generation'], version: string | undefined): DataFormat {
  if (generation === 'Keras 0') return 'channels_first';
  return generation === 'Keras 1' && version?.startsWith('1.0')
    ? 'channels_first'
    : 'channels_last';
}

function* orderingsIn(value: unknown): Generator<DataFormat> {
  if (Array.isArray(value)) for (const item of value) yield* orderingsIn(item);
  if (!isJson(value)) return;
  const stated = dataFormatOf(value['dim_ordering']);
  if (stated) yield stated;
  for (const item of Object.values(value)) yield* orderingsIn(item);
}

/** Whether any layer works on images, by the names of classes. */
function needsOrdering(architecture: Json): boolean {
  return /"(class_name|name)":"\w*([23]D|Lambda)"/.test(JSON.stringify(architecture));
}
