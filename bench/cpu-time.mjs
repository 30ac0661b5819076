// What a server costs, from /proc (Linux): the client's load on the same machine does not change it much.
import { readdirSync, readFileSync } from 'node:fs';

/** Of user and system time, in /proc; 100 a second on every Linux that Node runs on. */
const ticksMs = 10;

/** CPU time in ms, user and system, of a process and of all that descend from it; 0 where there is no /proc. */
export function cpuMs(root) {
  const stats = new Map(everyProcess().map((stat) => [stat.pid, stat]));
  const belongs = ({ pid, parent }) => {
    if (pid === root) return true;
    const above = stats.get(parent);
    return above !== undefined && belongs(above);
  };
  const own = [...stats.values()].filter(belongs);
  return own.reduce((sum, { ticks }) => sum + ticks * ticksMs, 0);
}

function everyProcess() {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap(statOf);
  } catch {
    return [];
  }
}

function statOf(name) {
  try {
    const text = readFileSync(`/proc/${name}/stat`, 'utf8');
    // The name of the program stands in brackets and may hold spaces; the numbers follow the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return [{ pid: Number(name), parent: Number(fields[1]), ticks }];
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
