import { testGeneration } from './generations.ts';

testGeneration('Keras 1', [
  'k1.0.8-theano-th',
  'k1.2.2-py27-theano-th',
  'k1.2.2-theano-th',
  'k1.2.2-tf-th',
  'k1.2.2-tf-tf',
]);
