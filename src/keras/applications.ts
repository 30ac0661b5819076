import type { KerasGraph, KerasLayer, KerasModel, Recipe } from './model.ts';

/** A kernel's side, and its filters where the family has them at one width only. */
type Mark = readonly [side: number, filters?: number];

/** Networks of keras.applications that take the same preprocessing and share the names of their layers. */
interface Family {
  readonly name: string;
  readonly title: string;
  readonly preprocess: NonNullable<Recipe['preprocess']>;
  /** Layers that all of them have, and the kernels of those: first, last and some between. */
  readonly marks: Readonly<Record<string, Mark | 'any'>>;
  /** Layers that tell others from them. */
  readonly lacks?: readonly string[];
}

/** Source: keras/src/applications, and keras_applications 1.0; `preprocess_input` of each module. */
const families: readonly Family[] = [
  {
    name: 'mobilenet',
    title: 'MobileNet',
    preprocess: 'tf',
    marks: { conv1: [3], conv_dw_1: [3], conv_pw_1: [1], conv_dw_13: [3], conv_pw_13: [1] },
  },
  {
    name: 'mobilenet-v2',
    title: 'MobileNetV2',
    preprocess: 'tf',
    marks: {
      Conv1: [3],
      expanded_conv_depthwise: [3],
      block_1_expand: [1],
      block_16_project: [1],
      Conv_1: [1],
    },
  },
  {
    name: 'resnet50',
    title: 'ResNet50, with the names of its first version',
    preprocess: 'caffe',
    marks: { conv1: [7, 64], res2a_branch2a: [1, 64], res5c_branch2c: [1, 2048] },
  },
  {
    name: 'resnet',
    title: 'ResNet',
    preprocess: 'caffe',
    marks: {
      conv1_conv: [7, 64],
      conv2_block1_0_conv: [1, 256],
      conv2_block1_1_conv: [1, 64],
      conv5_block3_3_conv: [1, 2048],
    },
    lacks: ['conv2_block1_preact_bn', 'conv2_block1_2_reduce'],
  },
  {
    name: 'resnet-v2',
    title: 'ResNetV2',
    preprocess: 'tf',
    marks: {
      conv1_conv: [7, 64],
      conv2_block1_preact_bn: 'any',
      conv2_block1_0_conv: [1, 256],
      conv5_block3_3_conv: [1, 2048],
    },
  },
  {
    name: 'densenet',
    title: 'DenseNet',
    preprocess: 'torch',
    marks: {
      conv1_conv: [7, 64],
      conv2_block1_1_conv: [1, 128],
      conv2_block1_2_conv: [3, 32],
      pool2_conv: [1, 128],
      pool4_conv: [1],
    },
  },
  {
    name: 'inception-v3',
    title: 'InceptionV3',
    preprocess: 'tf',
    marks: {
      mixed0: 'any',
      mixed1: 'any',
      mixed5: 'any',
      mixed9: 'any',
      mixed9_0: 'any',
      mixed10: 'any',
    },
  },
  {
    name: 'inception-resnet-v2',
    title: 'InceptionResNetV2',
    preprocess: 'tf',
    marks: { mixed_5b: 'any', block35_1_conv: [1, 320], mixed_7a: 'any', conv_7b: [1, 1536] },
  },
  {
    name: 'xception',
    title: 'Xception',
    preprocess: 'tf',
    marks: { block1_conv1: [3, 32], block2_sepconv1: [3], block14_sepconv2: [3] },
  },
  {
    name: 'nasnet',
    title: 'NASNet',
    preprocess: 'tf',
    marks: { stem_conv1: [3], stem_bn1: 'any', reduction_conv_1_stem_1: [1], normal_conv_1_0: [1] },
  },
  {
    name: 'vgg',
    title: 'VGG16 or VGG19',
    preprocess: 'caffe',
    marks: {
      block1_conv1: [3, 64],
      block1_conv2: [3, 64],
      block3_conv3: [3, 256],
      block5_conv1: [3, 512],
      block5_conv3: [3, 512],
    },
  },
];

/** What a recipe says, and how it is known. */
interface Known extends Recipe {
  readonly evidence: string;
}

/**
 * The published network that a model is: that of its recipe, or, for a model with an architecture of its own, one of
 * keras.applications whose layers it has, at whatever width, with whatever end and nested however deep.
 */
export function knownNetwork({
  recipe,
  graph,
}: Pick<KerasModel, 'recipe' | 'graph'>): Known | undefined {
  if (recipe) return { ...recipe, evidence: `the recipe ${recipe.name} says so` };
  const every = everyLayer(graph);
  const layers = new Map(every.map((layer) => [plain(layer.name), layer] as const));
  const first = plain(every.find(isConvolution)?.name ?? '');
  const family = families.find(({ marks, lacks = [] }) => {
    // A layer of one's own before the network has learned from pixels that nobody knows.
    if (!(first in marks || /^conv2d(_\d+)?$/.test(first))) return false;
    const has = Object.entries(marks).every(([name, mark]) => isMarked(layers.get(name), mark));
    return has && lacks.every((name) => !layers.has(name));
  });
  if (!family) return undefined;
  const { name, title, preprocess } = family;
  const evidence =
    `the layers have the names and kernels of ${title} of keras.applications, ` +
    `whose preprocess_input is "${preprocess}"`;
  return { name, title, preprocess, labels: 'imagenet', resize: undefined, evidence };
}

function everyLayer({ layers }: KerasGraph): readonly KerasLayer[] {
  return layers.flatMap((layer) => [layer, ...(layer.model ? everyLayer(layer.model) : [])]);
}

function isConvolution({ weights }: KerasLayer): boolean {
  return weights[0]?.source.shape.length === 4;
}

/** Names with "/" have "_" since Keras 3. */
function plain(name: string): string {
  return name.replaceAll('/', '_');
}

function isMarked(layer: KerasLayer | undefined, mark: Mark | 'any'): boolean {
  if (!layer || mark === 'any') return layer !== undefined;
  const [side, filters] = mark;
  const [rows, columns, , last, ...others] = layer.weights[0]?.source.shape ?? [];
  const isKernel = rows === side && columns === side && last !== undefined && others.length === 0;
  return isKernel && (filters === undefined || last === filters);
}
