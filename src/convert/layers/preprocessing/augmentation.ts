import { defineLayer, type Layer } from '../../layer.ts';

/** Layers that change images in training only. Source: keras/src/layers/preprocessing/image_preprocessing. */
export const augmentation: Layer = defineLayer({
  keras: [
    'RandomFlip',
    'RandomRotation',
    'RandomTranslation',
    'RandomZoom',
    'RandomContrast',
    'RandomBrightness',
    'RandomHeight',
    'RandomWidth',
    'RandomColorDegeneration',
    'RandomColorJitter',
    'RandomElasticTransform',
    'RandomErasing',
    'RandomGaussianBlur',
    'RandomGrayscale',
    'RandomHue',
    'RandomInvert',
    'RandomPerspective',
    'RandomPosterization',
    'RandomSaturation',
    'RandomSharpness',
    'RandomShear',
    'MixUp',
    'CutMix',
    'RandAugment',
    'AugMix',
  ],
  mask: 'passes',
  read: () => undefined,
  // Some keep the state of their random numbers among their weights.
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit: ({ input }) => input,
});
