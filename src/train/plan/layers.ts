import { readCard } from '../../onnx/card.ts';
import { neededFor } from '../../onnx/edit.ts';
import type { StoredModel } from '../../onnx/read.ts';
import { sizeOf } from '../../tensor.ts';

/** A layer of a model as plans speak of it. */
export interface PlanLayer {
  readonly name: string;
  /** Keras' class; of a model that does not know its layers, the operator. */
  readonly class: string;
  /** Place in the model, from 0: the index of Keras' `model.layers`. */
  readonly index: number;
  /** Names of its initializers that are float32 and in the graph. */
  readonly parameters: readonly string[];
  /** How many numbers these hold. */
  readonly size: number;
  /** Keras' output shape with null for the batch; empty where it is not known. */
  readonly shape: readonly (number | null)[];
  /** The value that the layer puts out, if it is in the graph. */
  readonly output: string | undefined;
  /** Of a Dropout: the share that it drops. */
  readonly rate: number | undefined;
}

/** The layers of a model in order: those of its card, or else its nodes that have weights. */
export function layersOf(model: StoredModel): readonly PlanLayer[] {
  const records = readCard(model).layers;
  if (!records) return layersOfNodes(model);
  return records.map(({ name, class: kind, output, shape, parameters, rate }, index) => ({
    name,
    class: kind,
    index,
    ...weightsOf(
      model,
      parameters.map((each) => each.name),
    ),
    shape,
    output: output ?? undefined,
    rate,
  }));
}

function layersOfNodes(model: StoredModel): readonly PlanLayer[] {
  const { nodes } = neededFor(
    model,
    model.outputs.map(({ name }) => name),
  );
  const weighted = model.nodes.filter(
    (node) => nodes.has(node) && weightsOf(model, node.inputs).size > 0,
  );
  return weighted.map(({ name, op, inputs, outputs }, index) => ({
    name: name || (outputs[0] ?? ''),
    class: op === 'Gemm' || op === 'MatMul' ? 'Dense' : op,
    index,
    ...weightsOf(model, inputs),
    shape: [],
    output: outputs[0],
    rate: undefined,
  }));
}

/** Of names, those that are weights which can learn: single numbers and shapes are constants of the graph. */
function weightsOf(
  model: StoredModel,
  names: readonly string[],
): Pick<PlanLayer, 'parameters' | 'size'> {
  const found = names.flatMap((name) => {
    const tensor = model.initializers.get(name);
    return tensor && tensor.dtype === 'float32' && tensor.shape.length > 0 ? [tensor] : [];
  });
  return {
    parameters: found.map(({ name }) => name),
    size: found.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  };
}
