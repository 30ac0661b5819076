import { testGeneration } from './generations.ts';

testGeneration('Keras 2', ['k2.1.2-tf-cl', 'k2.1.2-theano-cf', 'k2.2.4-tf-cl', 'k2.2.4-theano-cf']);
