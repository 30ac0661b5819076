import { bytesIn } from '../../src/serve/request/views.ts';
import type { RunResult } from '../../src/serve/running/instance.ts';
import type { BatchRule, RunMessage } from '../../src/serve/running/messages.ts';
import type { Queue, Runners } from '../../src/serve/running/queue.ts';

type Message = Omit<RunMessage, 'kind' | 'id'>;

/** A run that waits for the test. */
export interface Run {
  readonly message: Message;
  /** Ends it with what the model y = -x would say. */
  finish(): void;
  fail(fault: Error): void;
}

/** Instances whose runs end when the test says so. */
export class Hands implements Runners<number> {
  readonly spec: { readonly batch: BatchRule };
  readonly runs: Run[] = [];
  free: number[];
  queue: Queue<number> | undefined;

  constructor(batch: BatchRule, instances: number) {
    this.spec = { batch };
    this.free = Array.from({ length: instances }, (_, i) => i);
  }

  idle(): number | undefined {
    return this.free[0];
  }

  async run(instance: number, message: Message): Promise<RunResult> {
    this.free = this.free.filter((one) => one !== instance);
    try {
      return await new Promise((resolve, reject) => {
        this.runs.push({ message, finish: () => resolve(negated(message)), fail: reject });
      });
    } finally {
      this.free.push(instance);
      queueMicrotask(() => this.queue?.pump());
    }
  }
}

function negated({ inputs, buffer }: Message): RunResult {
  const [x] = inputs;
  if (!x) throw new Error('no input');
  const count = x.shape.reduce((product, dim) => product * dim, 1);
  const values = new Float32Array(buffer, x.offset, count).map((value) => -value);
  const output = { name: 'y', datatype: 'FP32', shape: x.shape, bytes: bytesIn(values) } as const;
  return { outputs: [output], inferNs: 5 };
}
