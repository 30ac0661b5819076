import { defineMerge, pairwise } from '../../merging.ts';
import { maskedChoice, maskedProduct } from './masked.ts';

/** Layers that join tensors element by element. Source: keras/src/layers/merging. */
export const add = defineMerge(['Add'], pairwise('Add'));
export const subtract = defineMerge(['Subtract'], pairwise('Sub'));
export const multiply = defineMerge(['Multiply'], pairwise('Mul'), maskedProduct);
export const maximum = defineMerge(['Maximum'], pairwise('Max'), maskedChoice('Max'));
export const minimum = defineMerge(['Minimum'], pairwise('Min'), maskedChoice('Min'));
export const average = defineMerge(['Average'], (values, graph) =>
  graph.add('Div', [pairwise('Add')(values, graph), graph.floats('count', [values.length])]),
);
