import { type GraphView, type Line, layerLines } from '../../src/inspect/lines.ts';
import type { LayerRecord } from '../../src/onnx/card.ts';

/** The layers of the notebook's VGG16 as a conversion records them, and the nodes between their outputs. */
function vgg16(): { readonly layers: readonly LayerRecord[]; readonly graph: GraphView } {
  const layers: LayerRecord[] = [];
  const nodes: GraphView['nodes'][number][] = [];
  const initializers = new Map<string, { dtype: 'float32'; shape: number[] }>();
  let value = 'image';
  let channels = 3;
  let size = 224;

  function layer(name: string, kind: string, shape: number[], weights: Record<string, number[]>) {
    const parameters = Object.entries(weights).map(([key, dims]) => ({
      name: `${name}/${key}`,
      shape: dims,
    }));
    for (const each of parameters)
      initializers.set(each.name, { dtype: 'float32', shape: each.shape });
    const inputs = [value, ...parameters.map((each) => each.name)];
    nodes.push({ name, op: kind, inputs, outputs: [name] });
    layers.push({ name, class: kind, output: name, shape: [null, ...shape], parameters });
    value = name;
  }
  function padding(name: string) {
    const shape = [null, channels, size + 2, size + 2];
    layers.push({ name, class: 'ZeroPadding2D', output: null, shape, parameters: [] });
  }
  function dropout(name: string) {
    layers.push({ name, class: 'Dropout', output: value, shape: [null, 4096], parameters: [] });
  }
  function dense(name: string, inputs: number, units: number) {
    layer(name, 'Dense', [units], { kernel: [inputs, units], bias: [units] });
  }

  layer('lambda', 'Lambda', [3, 224, 224], {});
  for (const [block, [count, filters]] of [
    [2, 64],
    [2, 128],
    [3, 256],
    [3, 512],
    [3, 512],
  ].entries()) {
    for (let i = 1; i <= (count ?? 0); i++) {
      padding(`pad${block + 1}_${i}`);
      const kernel = [filters ?? 0, channels, 3, 3];
      channels = filters ?? 0;
      layer(`conv${block + 1}_${i}`, 'Conv2D', [channels, size, size], {
        kernel,
        bias: [channels],
      });
    }
    size /= 2;
    layer(`pool${block + 1}`, 'MaxPooling2D', [channels, size, size], {});
  }
  layer('flatten', 'Flatten', [25088], {});
  dense('fc1', 25088, 4096);
  dropout('drop1');
  dense('fc2', 4096, 4096);
  dropout('drop2');
  dense('fc3', 4096, 1000);
  return {
    layers,
    graph: {
      inputs: [{ name: 'image', shape: ['N', 3, 224, 224] }],
      nodes,
      initializers,
      shapes: new Map(),
    },
  };
}

/** The lines of the notebook's VGG16. */
export function vgg16Lines(): readonly Line[] {
  const { layers, graph } = vgg16();
  return layerLines(layers, graph);
}
