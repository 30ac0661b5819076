import { testGeneration } from './generations.ts';

testGeneration('Keras 0', ['k0.3.3-theano-th']);
