import { testGeneration } from './generations.ts';

testGeneration('Keras 3', ['k3-jax-cf', 'k3-tensorflow']);
