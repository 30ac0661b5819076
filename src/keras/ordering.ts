import { ToolkitError } from '../errors.ts';
import { isJson, type Json } from './config.ts';
import { type DataFormat, type Dialect, dataFormatOf, isBeforeKeras2 } from './legacy.ts';
import type { Decision } from './model.ts';

interface Question extends Pick<Dialect, 'generation' | 'version'> {
  readonly asked?: 'th' | 'tf' | undefined;
  readonly file?: string | undefined;
}

interface Evidence {
  readonly dataFormat: DataFormat;
  readonly text: string;
}

const overrule = '--ordering th|tf';

/**
 * Where the channels are for layers that do not say: in Keras 1, ZeroPadding2D, UpSampling2D, Cropping2D and Lambda never
 * do.
 *
 * Strongest first: what the caller says, what the other layers say, the shape of an image that the model takes, the only
 * ordering that was usual ("th" up to Keras 1.0). From Keras 2 on, layers say it.
 *
 * Throws KERAS_ORDERING_UNKNOWN when nothing is known and the model has such layers.
 */
export function decideDataFormat(
  architecture: Json,
  question: Question,
): { dataFormat: DataFormat; decisions: Decision[] } {
  const { generation, asked, file } = question;
  if (!isBeforeKeras2(generation)) return { dataFormat: 'channels_last', decisions: [] };
  const open = silentLayers(architecture);
  const found = evidenceOf(architecture, question);
  const [first] = found;
  if (!first) {
    if (open.length === 0) return { dataFormat: 'channels_last', decisions: [] };
    throw unknownOrdering(open, file);
  }
  const { dataFormat, text } = first;
  if (open.length === 0 && asked === undefined && !text.startsWith('what')) {
    return { dataFormat, decisions: [] };
  }
  const against = found
    .filter((other) => other.dataFormat !== dataFormat)
    .map((other) => `; against it: ${other.text}`);
  const evidence = [text, ...against].join('');
  return {
    dataFormat,
    decisions: [{ subject: 'ordering', value: dataFormat, evidence, overrule }],
  };
}

function evidenceOf(
  architecture: Json,
  { generation, version, asked }: Question,
): readonly Evidence[] {
  const found: Evidence[] = [];
  const add = (dataFormat: DataFormat, text: string): unknown => found.push({ dataFormat, text });
  if (asked) add(asked === 'th' ? 'channels_first' : 'channels_last', 'as asked');
  const [stated, other] = new Set(orderingsIn(architecture));
  if (stated !== undefined && other === undefined) {
    add(stated, 'what its layers say (dim_ordering)');
  }
  const image = imageEvidence(architecture);
  if (image) found.push(image);
  const isOld = generation === 'Keras 0' || version?.startsWith('1.0') === true;
  if (isOld && found.length === 0) {
    const name = `${generation}${version === undefined ? '' : ` (${version})`}`;
    add('channels_first', `its layers say nothing; the default of ${name} is taken`);
  }
  return found;
}

function* orderingsIn(value: unknown): Generator<DataFormat> {
  if (Array.isArray(value)) for (const item of value) yield* orderingsIn(item);
  if (!isJson(value)) return;
  const stated = dataFormatOf(value['dim_ordering']);
  if (stated) yield stated;
  for (const item of Object.values(value)) yield* orderingsIn(item);
}

const channelCounts = new Set([1, 3, 4]);

/** Images have 1, 3 or 4 channels, and more rows and columns than that. */
function imageEvidence(architecture: Json): Evidence | undefined {
  for (const shape of inputShapes(architecture)) {
    if (shape.length !== 3) continue;
    const [a, b, c] = shape;
    const isFirst = isChannels(a, [b, c]);
    if (isFirst === isChannels(c, [a, b])) continue;
    const text = `its input [${shape.map((dim) => dim ?? 'any').join(', ')}] has ${isFirst ? a : c} channels ${isFirst ? 'first' : 'last'}`;
    return { dataFormat: isFirst ? 'channels_first' : 'channels_last', text };
  }
  return undefined;
}

type Dim = number | null | undefined;

function isChannels(count: Dim, sides: readonly Dim[]): boolean {
  const isUsual = typeof count === 'number' && channelCounts.has(count);
  return isUsual && sides.every((side) => typeof side !== 'number' || side > 4);
}

function* inputShapes(value: unknown): Generator<readonly (number | null)[]> {
  if (Array.isArray(value)) for (const item of value) yield* inputShapes(item);
  if (!isJson(value)) return;
  const whole = value['batch_input_shape'];
  const shape: unknown = Array.isArray(whole) ? whole.slice(1) : value['input_shape'];
  if (Array.isArray(shape) && shape.every(isDim)) yield shape;
  for (const item of Object.values(value)) yield* inputShapes(item);
}

function isDim(value: unknown): value is number | null {
  return value === null || typeof value === 'number';
}

/** Names of layers that work on images and do not say where the channels are. */
function silentLayers(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(silentLayers);
  if (!isJson(value)) return [];
  const { class_name: className, config } = value;
  const saved = typeof className === 'string' && isJson(config) ? config : value;
  const kind = className ?? value['name'];
  const isSilent =
    typeof kind === 'string' && /^\w*[23]D$/.test(kind) && !dataFormatOf(saved['dim_ordering']);
  const inner = Object.values(value).flatMap(silentLayers);
  // oxlint-disable-next-line typescript/no-base-to-string -- the text of a setting; anything else matches no row
  return isSilent ? [String(saved['custom_name'] ?? saved['name'] ?? kind), ...inner] : inner;
}

function unknownOrdering(layers: readonly string[], file: string | undefined): ToolkitError {
  const shown = [...layers.slice(0, 6), ...(layers.length > 6 ? ['…'] : [])].join(', ');
  return new ToolkitError(
    'KERAS_ORDERING_UNKNOWN',
    `Layers work on images and do not say where the channels are: ${shown}`,
    {
      where: { file, layer: layers[0] },
      hint: 'Pass --ordering th (channels first) or --ordering tf (channels last): "image_dim_ordering" in the keras.json of whoever made the model.',
    },
  );
}
