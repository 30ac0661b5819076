import { basename } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { type DraftGraph, everyLayer } from './draft.ts';
import { hasTurnableKernel } from './forms.ts';
import type { Decision, Kernels } from './model.ts';
import type { Stored } from './stored.ts';

interface Evidence {
  readonly kernels: Kernels;
  readonly text: string;
}

/** What the orientation of kernels is concluded from. */
interface Question {
  readonly file: string;
  readonly asked: Kernels | undefined;
  readonly stored: Stored;
  readonly graph: DraftGraph;
  readonly isChannelsFirst: boolean;
}

const overrule = '--kernels theano|tensorflow';

/**
 * For which convolution the kernels were trained. Files up to Keras 1 do not record it.
 *
 * Strongest first: what the caller says, the `backend` attribute, the words th_kernels or tf_kernels in the file's
 * name (a convention for published weights that states exactly this), the form of the weights' names (who wrote the
 * file). What speaks against the conclusion is named too. Throws KERAS_KERNELS_UNKNOWN when nothing is known and the
 * model has convolutions.
 */
export function decideKernels(question: Question): { kernels: Kernels; decisions: Decision[] } {
  const layers = [...everyLayer(question.graph)];
  const matters = layers.some((layer) => hasTurnableKernel(layer.className));
  // Only these wrote for Theano, or do not say; Keras 3 and tf.keras never turned kernels.
  const isCertain =
    question.stored.generation === 'tf.keras' || question.stored.generation === 'Keras 3';
  if (isCertain && !question.asked && question.stored.backend === undefined) {
    return { kernels: 'tensorflow', decisions: [] };
  }
  const found = evidenceOf(question);
  const [first, ...others] = found;
  if (!first) {
    if (matters) throw unknownKernels(question.file);
    return { kernels: 'tensorflow', decisions: [] };
  }
  const against = others.filter((other) => other.kernels !== first.kernels);
  const evidence = [first.text, ...against.map(({ text }) => `against it: ${text}`)].join('; ');
  const decision = { subject: 'kernels', value: first.kernels, evidence, overrule };
  return { kernels: first.kernels, decisions: [decision] };
}

function evidenceOf({ file, asked, stored, isChannelsFirst }: Question): Evidence[] {
  const found: Evidence[] = [];
  if (asked) found.push({ kernels: asked, text: 'as asked' });
  if (stored.backend !== undefined) {
    const kernels = stored.backend === 'theano' ? 'theano' : 'tensorflow';
    found.push({ kernels, text: `the file says its backend is "${stored.backend}"` });
  }
  const token = /(th|tf)_kernels/.exec(basename(file));
  if (token) {
    const kernels = token[1] === 'th' ? 'theano' : 'tensorflow';
    found.push({ kernels, text: `the file's name says "${token[0]}"` });
  }
  const names = nameEvidence(stored, isChannelsFirst);
  return names && stored.backend === undefined ? [...found, names] : found;
}

/** TensorFlow ends names of weights in ":0"; Theano does not. Keras 0 had no names, and ran on Theano by default. */
function nameEvidence(stored: Stored, isChannelsFirst: boolean): Evidence | undefined {
  if (stored.layout === 'positions') {
    if (!isChannelsFirst) return undefined;
    const text = 'Keras 0 in th ordering: it ran on Theano only up to 0.2, and by default in 0.3';
    return { kernels: 'theano', text };
  }
  const name = stored.layers.flatMap((layer) => layer.weights)[0]?.name;
  if (name === undefined) return undefined;
  return name.endsWith(':0')
    ? {
        kernels: 'tensorflow',
        text: `names of weights end in ":0" ("${name}"), as TensorFlow's do`,
      }
    : { kernels: 'theano', text: `names of weights do not end in ":0" ("${name}"), as Theano's` };
}

function unknownKernels(file: string): ToolkitError {
  return new ToolkitError(
    'KERAS_KERNELS_UNKNOWN',
    'The model has convolutions, and nothing in the file tells whether its kernels are of Theano or TensorFlow',
    {
      where: { file },
      hint: 'Pass --kernels theano or --kernels tensorflow: the backend that the model was trained with. If you do not know, convert it both ways and compare predictions on an image you know.',
    },
  );
}
