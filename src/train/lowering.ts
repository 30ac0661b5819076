import type { GraphBuilder } from '../onnx/graph.ts';
import type { Provider } from '../runtime/providers.ts';
import { sizeOf, type Value } from '../tensor.ts';
import { flippedConvolution, isFlippable, transposedConvolution } from './lowering/conv-input.ts';
import {
  exchangedConvolution,
  productOfColumns,
  productsByGroup,
  productsByPlace,
} from './lowering/conv-kernel.ts';
import type { Convolution, Lowering } from './lowering/form.ts';
import { comparedGradient, isApart, unpooledGradient } from './lowering/max-pool.ts';
import { isWinograd, winogradConvolution } from './lowering/winograd.ts';

/**
 * One row a provider. Measured on two CPU cores, see bench/finetune-step.mjs; GPUs get the forms with the fewest nodes.
 */
export const lowerings: { readonly [P in Provider]: Lowering } = {
  cpu: {
    trainedConvolution: (graph, convolution) =>
      isWinograd(convolution) ? winogradConvolution(graph, convolution) : undefined,
    convolutionInput: (graph, conv) =>
      isFlippable(conv) && (conv.window.group > 1 || sizeOf(conv.sizes) >= largeMap)
        ? flippedConvolution(graph, conv)
        : transposedConvolution(graph, conv),
    convolutionKernel: products,
    maxPool: (graph, pooling) =>
      isApart(pooling) && pooling.sizes.length === 2
        ? unpooledGradient(graph, pooling)
        : comparedGradient(graph, pooling),
    logSoftmax: (graph, x, axis) => graph.add('LogSoftmax', [x], { axis }),
  },
  cuda: {
    trainedConvolution: () => undefined,
    convolutionInput: transposedConvolution,
    convolutionKernel: (graph, conv) =>
      conv.window.group === 1 ? exchangedConvolution(graph, conv) : productsByGroup(graph, conv),
    maxPool: comparedGradient,
    logSoftmax: (graph, x, axis) => graph.add('LogSoftmax', [x], { axis }),
  },
  webgpu: {
    trainedConvolution: () => undefined,
    convolutionInput: (graph, conv) =>
      isFlippable(conv) ? flippedConvolution(graph, conv) : transposedConvolution(graph, conv),
    convolutionKernel: products,
    maxPool: comparedGradient,
    logSoftmax: shiftedLogSoftmax,
  },
};

/** From so many places of a map on, turning the kernel round pays on a CPU. */
const largeMap = 28 * 28;
/** Up to so many input channels, one product of all that the kernel met is faster than one a place. */
const fewChannels = 16;

function products(graph: GraphBuilder, conv: Convolution): Value {
  if (conv.window.group > 1) return productsByGroup(graph, conv);
  return Number(conv.x.shape[1]) <= fewChannels
    ? productOfColumns(graph, conv)
    : productsByPlace(graph, conv);
}

/** WebGPU has no LogSoftmax. */
function shiftedLogSoftmax(graph: GraphBuilder, x: Value, axis: number): Value {
  const maximum = graph.add('ReduceMax', [x], { axes: [axis], keepdims: 1 });
  const shifted = graph.add('Sub', [x, maximum]);
  const axes = graph.integers('axes', [axis]);
  const sum = graph.add('ReduceSum', [graph.add('Exp', [shifted]), axes], { keepdims: 1 });
  return graph.add('Sub', [shifted, graph.add('Log', [sum])]);
}
