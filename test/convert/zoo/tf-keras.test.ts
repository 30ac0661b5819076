import { testGeneration } from './generations.ts';

testGeneration('tf.keras', ['tfkeras1.15', 'tfkeras2.15']);
