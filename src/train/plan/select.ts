import { ToolkitError } from '../../errors.ts';
import type { PlanLayer } from './layers.ts';

/** What a choice of layers is read against. */
export interface Choosable {
  readonly layers: readonly PlanLayer[];
  /** Names of the layers of the new end; the last layer with weights where the model keeps its own. */
  readonly head: ReadonlySet<string>;
}

/**
 * The layers with weights that a choice means, in order. Choices are joined by "+".
 *
 * Words say how deep it goes, from there to the end: `head`; `dense`, the Dense layers at the end; `conv5`, the fifth
 * block of convolutions and all after it; `conv`, the last block; `all`. The others mean just what they name: a layer
 * (`block5_conv1`), a pattern (`block5_*`), an index of Keras' `model.layers` (`-1`), a range of them (`12:`, `12:20`).
 * Throws OPTION_INVALID, naming what could have been chosen.
 */
export function selectLayers(choice: string, model: Choosable): readonly PlanLayer[] {
  const chosen = new Set(
    choice.split('+').flatMap((part) => {
      const found = selectOne(part.trim(), model).filter(({ size }) => size > 0);
      if (found.length === 0) throw nothingMeant(part, model);
      return found;
    }),
  );
  return model.layers.filter((layer) => chosen.has(layer));
}

function selectOne(part: string, model: Choosable): readonly PlanLayer[] {
  const { layers } = model;
  const exact = layers.filter(({ name }) => name === part);
  if (exact.length > 0) return exact;
  if (part === 'all') return layers;
  if (part === 'head') return layers.filter(({ name }) => model.head.has(name));
  if (part === 'dense') return from(layers, firstDense(layers));
  const conv = /^conv(\d*)$/.exec(part);
  if (conv) return fromBlock(layers, conv[1] ?? '');
  const range = /^(-?\d+)?(:)?(-?\d+)?$/.exec(part);
  if (range && part !== '' && part !== ':') return byIndex(layers, range);
  if (part.includes('*') || part.includes('?')) {
    const pattern = globPattern(part);
    return layers.filter(({ name }) => pattern.test(name));
  }
  return [];
}

function from(layers: readonly PlanLayer[], first: number): readonly PlanLayer[] {
  return first < 0 ? [] : layers.slice(first);
}

const isConvolution = ({ class: kind }: PlanLayer): boolean => /conv/i.test(kind);

/** Classes with weights that stand among the Dense layers at the end of a network without ending them. */
const besideDense = /^(Dense|BatchNormalization|LayerNormalization|PReLU|Scale)$/;

/** The first Dense layer after the last layer with weights of another kind. */
function firstDense(layers: readonly PlanLayer[]): number {
  const last = layers.findLastIndex(({ class: kind, size }) => size > 0 && !besideDense.test(kind));
  return layers.findIndex(({ class: kind }, at) => at > last && kind === 'Dense');
}

/** From the first layer of a block on; without a number, of the last block. */
function fromBlock(layers: readonly PlanLayer[], number: string): readonly PlanLayer[] {
  const blocks = blocksOf(layers);
  const block = number === '' ? blocks.at(-1) : blocks[Number(number) - 1];
  return block === undefined ? [] : layers.slice(block);
}

/**
 * Where each block of convolutions begins: at the first one, and at each one after a pooling layer or with an output
 * of at most 0.6 times the height of the one before (a stride instead of pooling).
 */
function blocksOf(layers: readonly PlanLayer[]): readonly number[] {
  const blocks: number[] = [];
  let isPooled = true;
  let height: number | undefined;
  layers.forEach((layer, at) => {
    if (/pool/i.test(layer.class)) isPooled = true;
    if (!isConvolution(layer)) return;
    const own = heightOf(layer);
    const isSmaller = own !== undefined && height !== undefined && own <= 0.6 * height;
    if (isPooled || isSmaller) blocks.push(at);
    isPooled = false;
    height = own;
  });
  return blocks;
}

/** The middle size of [batch, a, b, c] is a spatial one in either layout. */
function heightOf({ shape }: PlanLayer): number | undefined {
  return (shape.length > 3 ? shape[2] : shape[1]) ?? undefined;
}

/** As Python's `layers[3]`, `layers[-1]`, `layers[12:]`, `layers[12:20]`. */
function byIndex(
  layers: readonly PlanLayer[],
  [, first, colon, last]: RegExpExecArray,
): readonly PlanLayer[] {
  if (colon === undefined) return layers.slice(Number(first)).slice(0, 1);
  return layers.slice(Number(first ?? 0), last === undefined ? undefined : Number(last));
}

/** A pattern of whole names: `*` is any text, `?` one character. */
function globPattern(text: string): RegExp {
  const literal = text.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}

function nothingMeant(part: string, { layers }: Choosable): ToolkitError {
  const weighted = layers.filter(({ size }) => size > 0);
  const blocks = blocksOf(layers).length;
  const names = weighted.map(({ name, index }) => `${index} ${name}`);
  return new ToolkitError('OPTION_INVALID', `No layer with weights is meant by "${part}"`, {
    hint:
      `Choose head, dense, ${blocks > 0 ? `conv1 to conv${blocks}, ` : ''}all, or layers by name, pattern or index: ` +
      `${names.slice(0, 60).join(', ')}${names.length > 60 ? ', …' : ''}.`,
  });
}
