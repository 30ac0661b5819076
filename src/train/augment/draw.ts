import type { RandomState } from '../random.ts';
import type { Augmentation } from './settings.ts';

/** One random change of a picture. */
export interface Change {
  /** From [row, column, 1] of the output to that of the input, in pixels; `undefined` for none. */
  readonly matrix: Affine | undefined;
  /** What is added to each channel, or nothing. */
  readonly channels: readonly number[] | undefined;
  readonly horizontalFlip: boolean;
  readonly verticalFlip: boolean;
  /** What brightness is multiplied by, or nothing. */
  readonly brightness: number | undefined;
}

/** Two rows of three numbers. */
export type Affine = readonly [number, number, number, number, number, number];

interface Size {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/**
 * Draws a change in the order in which Keras draws from NumPy's global generator: equal seeds give equal changes.
 *
 * Keras 1 draws flips last, and only those that are on, and a shift for each channel; later ones always draw both
 * flips, before one shift for all channels. Source: keras 1.2.2 and keras_preprocessing 1.1.2 image.py; keras 3
 * src/legacy/preprocessing/image.py.
 */
export function drawChange(settings: Augmentation, random: RandomState, size: Size): Change {
  const { keras, rotation_range: rotation, channel_shift_range: intensity } = settings;
  const within = (range: number): number =>
    range === 0 ? 0 : -range + 2 * range * random.double();
  const theta = (Math.PI / 180) * within(rotation);
  const down = drawShift(settings.height_shift_range, { random, keras, size: size.height });
  const right = drawShift(settings.width_shift_range, { random, keras, size: size.width });
  const shear = within(settings.shear_range) * (keras === 1 ? 1 : Math.PI / 180);
  const zoom = drawZoom(settings.zoom_range, random);
  const matrix = matrixOf({ theta, down, right, shear, zoom }, size, keras);
  const flip = (isOn: boolean): boolean =>
    keras === 1 ? isOn && random.double() < 0.5 : random.double() < 0.5 && isOn;
  const shifts = (): readonly number[] | undefined => {
    if (intensity === 0) return undefined;
    if (keras === 1) return Array.from({ length: size.channels }, () => within(intensity));
    return Array.from<number>({ length: size.channels }).fill(within(intensity));
  };
  const early = keras === 1 ? shifts() : undefined;
  const horizontalFlip = flip(settings.horizontal_flip);
  const verticalFlip = flip(settings.vertical_flip);
  const channels = keras === 1 ? early : shifts();
  const brightness = drawBrightness(settings.brightness_range, random);
  return { matrix, channels, horizontalFlip, verticalFlip, brightness };
}

function drawBrightness(
  range: Augmentation['brightness_range'],
  random: RandomState,
): number | undefined {
  if (!range) return undefined;
  const [low, high] = range;
  return low + (high - low) * random.double();
}

interface Drawing {
  readonly random: RandomState;
  readonly keras: 1 | 2 | 3;
  readonly size: number;
}

/** In pixels. Later Keras takes whole numbers from 1 on for ranges of pixels, and lists for pixels to choose from. */
function drawShift(range: number | readonly number[], { random, keras, size }: Drawing): number {
  if (range === 0) return 0;
  const isChoice = typeof range !== 'number' || (keras > 1 && Number.isInteger(range));
  if (isChoice) return chosenShift(range, random, size);
  const drawn = -range + 2 * range * random.double();
  return keras === 1 || range < 1 ? drawn * size : drawn;
}

function chosenShift(range: number | readonly number[], random: RandomState, size: number): number {
  const isCount = typeof range === 'number';
  const choices = isCount ? Array.from({ length: range }, (_, i) => i) : range;
  const chosen = choices[random.below(choices.length)] ?? 0;
  const signed = chosen * (random.below(2) === 0 ? -1 : 1);
  return Math.max(...(isCount ? [range] : range)) < 1 ? signed * size : signed;
}

function drawZoom(
  range: number | readonly [number, number],
  random: RandomState,
): readonly [number, number] {
  const [low, high] = typeof range === 'number' ? [1 - range, 1 + range] : range;
  if (low === 1 && high === 1) return [1, 1];
  const down = low + (high - low) * random.double();
  return [down, low + (high - low) * random.double()];
}

interface Drawn {
  readonly theta: number;
  readonly down: number;
  readonly right: number;
  readonly shear: number;
  readonly zoom: readonly [number, number];
}

/**
 * Rotation · shift · shear · zoom about the middle. The middle of Keras 1 and 2 is half a pixel too far (h/2 + 0.5),
 * that of Keras 3 is right (h/2 - 0.5), and there the axes are exchanged.
 */
function matrixOf(
  { theta, down, right, shear, zoom: [rows, columns] }: Drawn,
  { height, width }: Size,
  keras: 1 | 2 | 3,
): Affine | undefined {
  const isNothing =
    theta === 0 && down === 0 && right === 0 && shear === 0 && rows === 1 && columns === 1;
  if (isNothing) return undefined;
  const [cos, sin] = [Math.cos(theta), Math.sin(theta)];
  const [cosShear, sinShear] = [Math.cos(shear), Math.sin(shear)];
  // [cos -sin; sin cos] · [1 -sinShear; 0 cosShear] · diag(rows, columns)
  const a = cos * rows;
  const b = (-cos * sinShear - sin * cosShear) * columns;
  const c = sin * rows;
  const d = (-sin * sinShear + cos * cosShear) * columns;
  const [x, y] = [cos * down - sin * right, sin * down + cos * right];
  const middle = keras === 3 ? -0.5 : 0.5;
  const [ox, oy] = [height / 2 + middle, width / 2 + middle];
  const [dx, dy] = [x + ox - a * ox - b * oy, y + oy - c * ox - d * oy];
  return keras === 3 ? [d, c, dy, b, a, dx] : [a, b, dx, c, d, dy];
}
