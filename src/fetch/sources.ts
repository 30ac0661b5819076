/**
 * What a finished file is checked against: its published checksum, or, where none was ever published, how many
 * float32 numbers it must hold (which bounds its size from both sides).
 */
export type Check =
  | { readonly md5: string }
  | { readonly sha256: string }
  | { readonly parameters: number };

/** One file that can be downloaded. */
export interface Source {
  /** Its name in the cache, the same as in Keras' own cache: each then finds what the other has downloaded. */
  readonly file: string;
  /** For people: what it is. */
  readonly title: string;
  /** Tried in turn. */
  readonly addresses: readonly [string, ...string[]];
  readonly check: Check;
}

export type SourceTable = Readonly<Record<string, Source>>;

/** A network of Keras' own: one file with, one without its classifier ("no top"). */
interface Published {
  readonly network: string;
  readonly title: string;
  /** Folders that hold both files. */
  readonly folders: readonly [string, ...string[]];
  readonly whole: Check;
  readonly headless: Check;
}

const keras = 'https://storage.googleapis.com/tensorflow/keras-applications';
const releases = 'https://github.com/fchollet/deep-learning-models/releases/download';

/** Checksums: `file_hash` in keras/src/applications; the releases are those of keras-applications, with the same checksums. */
const channelsLast: readonly Published[] = [
  {
    network: 'vgg16',
    title: 'VGG16',
    folders: [`${keras}/vgg16`, `${releases}/v0.1`],
    whole: { md5: '64373286793e3c8b2b4e3219cbf3544b' },
    headless: { md5: '6d6bbae143d832006294945121d1f1fc' },
  },
  {
    network: 'vgg19',
    title: 'VGG19',
    folders: [`${keras}/vgg19`, `${releases}/v0.1`],
    whole: { md5: 'cbe5617147190e668d6c5d5026f83318' },
    headless: { md5: '253f8cb515780f3b799900260a226db6' },
  },
  {
    network: 'resnet50',
    title: 'ResNet50',
    folders: [
      `${keras}/resnet`,
      'https://github.com/keras-team/keras-applications/releases/download/resnet',
    ],
    whole: { md5: '2cb95161c43110f7111970584f804107' },
    headless: { md5: '4d473c1dd8becc155b73f8504c6f6626' },
  },
  {
    network: 'inception_v3',
    title: 'InceptionV3',
    folders: [`${keras}/inception_v3`, `${releases}/v0.5`],
    whole: { md5: '9a0d58056eeedaa3f26cb7ebd46da564' },
    headless: { md5: 'bcbd6486424b2319ff4ef7d526e38f63' },
  },
  {
    network: 'xception',
    title: 'Xception',
    folders: [`${keras}/xception`, `${releases}/v0.4`],
    whole: { md5: '0a58e3b7378bc2990ea3b43d5981f1f6' },
    headless: { md5: 'b0042744bf5b25fce3cb969f33bebb97' },
  },
  {
    network: 'inception_resnet_v2',
    title: 'InceptionResNetV2',
    folders: [`${keras}/inception_resnet_v2`, `${releases}/v0.7`],
    whole: { md5: 'e693bd0210a403b3192acc6073ad2e96' },
    headless: { md5: 'd19885ff4a710c122648d3b5c3b684e4' },
  },
];

/** Checksums, for those that have one: `md5_hash` in the first commits of fchollet/deep-learning-models. */
const channelsFirst: readonly Published[] = [
  {
    network: 'vgg16',
    title: 'VGG16',
    folders: [`${releases}/v0.1`],
    whole: { parameters: 138_357_544 },
    headless: { parameters: 14_714_688 },
  },
  {
    network: 'vgg19',
    title: 'VGG19',
    folders: [`${releases}/v0.1`],
    whole: { parameters: 143_667_240 },
    headless: { parameters: 20_024_384 },
  },
  {
    network: 'resnet50',
    title: 'ResNet50',
    folders: [`${releases}/v0.2`],
    whole: { md5: '1c1f8f5b0c8ee28fe9d950625a230e1c' },
    headless: { md5: 'f64f049c92468c9affcd44b0976cdafe' },
  },
  {
    network: 'inception_v3',
    title: 'InceptionV3',
    folders: [`${releases}/v0.2`],
    whole: { md5: 'b3baf3070cc4bf476d43a2ea61b0ca5f' },
    headless: { md5: '79aaa90ab4372b4593ba3df64e142f05' },
  },
];

/** Every file that `pull` knows by name. */
export const sources: SourceTable = {
  vgg16: fastai('vgg16.h5', 'VGG16', 138_357_544),
  // Two BatchNormalization layers of 4 × 4,096 numbers more
  vgg16_bn: fastai('vgg16_bn.h5', 'VGG16 with batch normalization', 138_390_312),
  imagenet_class_index: {
    file: 'imagenet_class_index.json',
    title: 'names of the 1,000 ImageNet classes',
    addresses: [
      'https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json',
      'https://files.fast.ai/models/imagenet_class_index.json',
    ],
    check: { md5: 'c2c37ea517e94d9795004a39431a14cb' },
  },
  ...rows(channelsFirst, 'th', 'Theano, channels first'),
  ...rows(channelsLast, 'tf', 'TensorFlow, channels last'),
};

/** fast.ai published no checksums. Addresses: deeplearning1/nbs/vgg16.py of the course, today's and its first one. */
function fastai(file: string, title: string, parameters: number): Source {
  return {
    file,
    title: `fast.ai's ${title}`,
    addresses: [
      `https://files.fast.ai/models/${file}`,
      `http://files.fast.ai/models/${file}`,
      `http://www.platform.ai/models/${file}`,
    ],
    check: { parameters },
  };
}

function rows(published: readonly Published[], kind: 'th' | 'tf', ordering: string): SourceTable {
  return Object.fromEntries(
    published.flatMap((entry) => {
      const name = `keras-${entry.network}-${kind}`;
      return [
        [name, kerasSource(entry, kind, ordering)],
        [`${name}-notop`, kerasSource(entry, kind, ordering, '_notop')],
      ];
    }),
  );
}

function kerasSource(
  { network, title, folders: [first, ...others], whole, headless }: Published,
  kind: 'th' | 'tf',
  ordering: string,
  suffix: '' | '_notop' = '',
): Source {
  const file = `${network}_weights_${kind}_dim_ordering_${kind}_kernels${suffix}.h5`;
  return {
    file,
    title: `Keras' ${title}${suffix && ' without its classifier'} (${ordering})`,
    addresses: [`${first}/${file}`, ...others.map((folder) => `${folder}/${file}`)],
    check: suffix ? headless : whole,
  };
}
