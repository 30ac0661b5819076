import { z } from 'zod';

/** A shift: a share of the size below 1; from 1 on, and as a list, pixels (Keras 2 and 3). */
const shift = z.union([z.number().nonnegative(), z.array(z.number())]);

const zoom = z.union([
  z.number().nonnegative(),
  z.tuple([z.number().positive(), z.number().positive()]),
]);

const settings = z.strictObject({
  /** Degrees. */
  rotation_range: z.number().nonnegative().default(0),
  width_shift_range: shift.default(0),
  height_shift_range: shift.default(0),
  /** Radians in Keras 1, degrees later. */
  shear_range: z.number().nonnegative().default(0),
  /** z means [1 - z, 1 + z]; the two axes are drawn apart. */
  zoom_range: zoom.default(0),
  channel_shift_range: z.number().nonnegative().default(0),
  /** What brightness is multiplied by, from the least to the greatest. Not in Keras 1. */
  brightness_range: z.tuple([z.number().nonnegative(), z.number().nonnegative()]).optional(),
  horizontal_flip: z.boolean().default(false),
  vertical_flip: z.boolean().default(false),
  fill_mode: z.enum(['nearest', 'constant', 'reflect', 'wrap']).default('nearest'),
  /** What `constant` fills with. */
  cval: z.number().default(0),
  /** Whose meaning is followed: 1 is Keras 1.2.2, 2 is Keras_Preprocessing 1.1.2, 3 is Keras 3. */
  keras: z.union([z.literal(1), z.literal(2), z.literal(3)]).default(3),
});

/** The parameters of Keras' ImageDataGenerator that change pictures at random, under their own names. */
export const augmentSchema = settings.refine(
  ({ keras, brightness_range: brightness }) => keras > 1 || brightness === undefined,
  { path: ['brightness_range'], error: 'Keras 1 has none: say keras=2 or keras=3' },
);

/** How pictures are changed at random while training. */
export type Augmentation = z.output<typeof augmentSchema>;
export type AugmentationOptions = z.input<typeof augmentSchema>;
